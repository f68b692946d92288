# a descriptor
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN exec 3>/etc/y
ARG user_id
USER ${user_id}
