# a word too many
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get update extra
ARG user_id
USER ${user_id}
