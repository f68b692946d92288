# uniq can write
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN uniq /etc/passwd /x
ARG user_id
USER ${user_id}
