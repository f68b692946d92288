# the condition does not hold
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN if false; then true; else touch /x; fi
ARG user_id
USER ${user_id}
