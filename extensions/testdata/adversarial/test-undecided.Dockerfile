# a test of what only the builder knows
# on: debian
# effect: 8
ARG base_image
FROM ${base_image}
USER root
ARG build_id
RUN test -z "$build_id" || touch /x
ARG user_id
USER ${user_id}
