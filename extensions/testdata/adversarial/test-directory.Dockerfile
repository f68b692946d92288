# a folder is no file
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN test -f /usr/bin || touch /x
ARG user_id
USER ${user_id}
