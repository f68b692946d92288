# a flag that more than prints
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN zip -v
ARG user_id
USER ${user_id}
