# a command that is there
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN command -v curl && touch /x
ARG user_id
USER ${user_id}
