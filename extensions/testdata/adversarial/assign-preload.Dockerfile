# a library in front of all others
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN LD_PRELOAD=/x.so; apt-get install -y curl
ARG user_id
USER ${user_id}
