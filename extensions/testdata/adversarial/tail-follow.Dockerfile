# never ends
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN tail -f /etc/passwd
ARG user_id
USER ${user_id}
