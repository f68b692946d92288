# a test of times
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN test /etc/passwd -nt /etc/group && touch /x
ARG user_id
USER ${user_id}
