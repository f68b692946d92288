# a path with a variable without value
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN rm -rf /var/lib/apt/lists/$NAME
ARG user_id
USER ${user_id}
