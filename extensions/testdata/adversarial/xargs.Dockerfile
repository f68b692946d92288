# xargs runs commands
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN echo /etc | xargs rm -rf
ARG user_id
USER ${user_id}
