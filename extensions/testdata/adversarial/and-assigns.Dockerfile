# a variable that may be set
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN p=curl; test -f /flag && p=libgd3; apt-get install -y $p
ARG user_id
USER ${user_id}
