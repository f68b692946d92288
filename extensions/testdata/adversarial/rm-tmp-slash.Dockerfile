# the folder itself, with a slash
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN rm -rf /tmp/
ARG user_id
USER ${user_id}
