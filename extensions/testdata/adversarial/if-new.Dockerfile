# a variable that only one branch sets
# on: debian
# effect: 8
ARG base_image
FROM ${base_image}
USER root
ARG P=curl
RUN if test -f /flag; then P=libgd3; fi; apt-get install -y $P
ARG user_id
USER ${user_id}
