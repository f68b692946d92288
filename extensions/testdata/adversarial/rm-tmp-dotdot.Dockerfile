# what is not below
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN rm -rf /tmp/../etc
ARG user_id
USER ${user_id}
