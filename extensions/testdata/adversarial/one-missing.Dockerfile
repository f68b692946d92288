# one of two is missing
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get install -y curl libgd3
ARG user_id
USER ${user_id}
