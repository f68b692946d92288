# a pin that the installed version does not meet
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get install -y curl=8.5.0-2
ARG user_id
USER ${user_id}
