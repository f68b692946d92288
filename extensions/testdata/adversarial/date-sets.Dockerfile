# date can set the clock
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN date 010203042030
ARG user_id
USER ${user_id}
