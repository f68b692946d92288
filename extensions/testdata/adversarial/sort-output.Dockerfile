# sort can write
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN sort -o /x /etc/passwd
ARG user_id
USER ${user_id}
