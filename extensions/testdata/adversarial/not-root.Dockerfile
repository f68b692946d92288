# not root, so that the build would fail
# on: debian
# effect: 6
ARG base_image
FROM ${base_image}
RUN apt-get install -y curl
