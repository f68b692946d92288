# ends with a failure
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN test -f /flag || exit 1
ARG user_id
USER ${user_id}
