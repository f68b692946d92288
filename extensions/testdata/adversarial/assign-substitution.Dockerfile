# a variable's value runs a command
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN X=$(touch /x); apt-get install -y curl
ARG user_id
USER ${user_id}
