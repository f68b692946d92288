# a file beside the lists
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN rm -rf /var/lib/apt/lists/* /etc/apt/sources.list
ARG user_id
USER ${user_id}
