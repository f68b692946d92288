# what may be behind a link
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN rm -rf /tmp/link/*
ARG user_id
USER ${user_id}
