# the second turn does what the first did not
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN p=curl; for i in 1 2; do apt-get install -y $p; p=libgd3; done
ARG user_id
USER ${user_id}
