# another program of the same distribution
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN dpkg --purge curl
ARG user_id
USER ${user_id}
