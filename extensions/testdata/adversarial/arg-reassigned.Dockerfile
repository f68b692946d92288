# the script sets what the build arg was
# on: debian
# effect: 8
ARG base_image
FROM ${base_image}
USER root
ARG TERM=curl
RUN TERM=libgd3; apt-get install -y $TERM
ARG user_id
USER ${user_id}
