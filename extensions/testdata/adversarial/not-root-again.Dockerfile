# no longer root
# on: debian
# effect: 10
ARG base_image
FROM ${base_image}
USER root
RUN apt-get update
ARG user_id
USER ${user_id}
RUN apt-get install -y curl
