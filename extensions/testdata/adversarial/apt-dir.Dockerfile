# a directory of its own
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get -o Dir::State=/x update
ARG user_id
USER ${user_id}
