# somebody's cache
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN rm -rf /root/.cache
ARG user_id
USER ${user_id}
