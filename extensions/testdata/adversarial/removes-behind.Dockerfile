# a second command behind a semicolon
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get install -y curl; rm /bin/sh
ARG user_id
USER ${user_id}
