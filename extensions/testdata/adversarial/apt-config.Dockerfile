# a variable that apt heeds
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN APT_CONFIG=/x apt-get update
ARG user_id
USER ${user_id}
