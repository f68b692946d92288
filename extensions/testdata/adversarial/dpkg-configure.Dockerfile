# configures
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN dpkg --configure -a
ARG user_id
USER ${user_id}
