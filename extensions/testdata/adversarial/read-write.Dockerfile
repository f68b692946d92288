# opens a file for reading and writing, and makes it
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN true <> /etc/y
ARG user_id
USER ${user_id}
