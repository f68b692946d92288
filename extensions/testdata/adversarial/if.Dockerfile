# a condition
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN if true; then rm -rf /etc; fi
ARG user_id
USER ${user_id}
