# a build arg is part of the environment
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
ARG PATH=/x
RUN apt-get install -y curl
ARG user_id
USER ${user_id}
