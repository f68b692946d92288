# a subshell's variables are gone behind it
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN p=libgd3; (p=curl); apt-get install -y $p
ARG user_id
USER ${user_id}
