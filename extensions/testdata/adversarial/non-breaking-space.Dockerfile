# a space that is none to a shell
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get install -y curl libgd3
ARG user_id
USER ${user_id}
