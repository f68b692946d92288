# a variable that is two packages
# on: debian
# effect: 8
ARG base_image
FROM ${base_image}
USER root
ARG PACKAGES="curl libgd3"
RUN apt-get install -y $PACKAGES
ARG user_id
USER ${user_id}
