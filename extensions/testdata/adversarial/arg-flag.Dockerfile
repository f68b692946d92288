# a flag inside a variable
# on: debian
# effect: 8
ARG base_image
FROM ${base_image}
USER root
ARG FLAGS="-y --download-only"
RUN apt-get install $FLAGS curl
ARG user_id
USER ${user_id}
