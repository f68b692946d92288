# the condition itself writes
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN if touch /x; then true; fi
ARG user_id
USER ${user_id}
