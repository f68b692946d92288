# find can delete
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN find /etc -delete
ARG user_id
USER ${user_id}
