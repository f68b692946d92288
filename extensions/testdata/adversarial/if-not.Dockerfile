# a condition with its contrary
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN if ! command -v cowsay; then touch /x; fi
ARG user_id
USER ${user_id}
