# prints at the end of a file
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN cat /etc/passwd >> /etc/group
ARG user_id
USER ${user_id}
