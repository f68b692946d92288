# the same in a cluster of letters
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get -yd install curl
ARG user_id
USER ${user_id}
