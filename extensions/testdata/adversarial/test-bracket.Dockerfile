# a bracket that is not closed
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN [ -n x && touch /x
ARG user_id
USER ${user_id}
