# the variable outlives its loop
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN for p in curl libgd3; do true; done; apt-get install -y $p
ARG user_id
USER ${user_id}
