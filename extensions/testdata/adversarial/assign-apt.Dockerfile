# apt's own configuration
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN APT_CONFIG=/x; apt-get install -y curl
ARG user_id
USER ${user_id}
