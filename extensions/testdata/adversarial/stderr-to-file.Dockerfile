# the error stream into a file
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get update 2> /var/log/update.log
ARG user_id
USER ${user_id}
