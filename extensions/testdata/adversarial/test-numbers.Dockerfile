# numbers that do not differ
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN [ 1 -eq 1 ] && touch /x
ARG user_id
USER ${user_id}
