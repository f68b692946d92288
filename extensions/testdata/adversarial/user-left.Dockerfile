# ends as root
# on: debian
# effect: 6
ARG base_image
FROM ${base_image}
USER root
RUN apt-get install -y curl
