# awk can write
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN awk 'BEGIN { print > "/x" }'
ARG user_id
USER ${user_id}
