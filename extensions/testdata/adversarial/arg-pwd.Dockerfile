# the shell sets this itself
# on: debian
# effect: 7 8
ARG base_image
FROM ${base_image}
USER root
ARG PWD=curl
RUN apt-get install -y $PWD
ARG user_id
USER ${user_id}
