# shells differ in this
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN for p in {curl,tree}; do apt-get install -y $p; done
ARG user_id
USER ${user_id}
