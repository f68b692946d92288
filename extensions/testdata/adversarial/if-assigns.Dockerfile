# a variable that a branch may set
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN p=curl; if test -f /flag; then p=libgd3; fi; apt-get install -y $p
ARG user_id
USER ${user_id}
