# the image's own environment comes before a build arg
# on: masked
# effect: 8
ARG base_image
FROM ${base_image}
USER root
ARG PACKAGE=curl
RUN apt-get install -y $PACKAGE
ARG user_id
USER ${user_id}
