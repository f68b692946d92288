# a package from another release
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get install -y curl/bookworm-backports
ARG user_id
USER ${user_id}
