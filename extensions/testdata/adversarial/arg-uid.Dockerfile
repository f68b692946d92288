# a build arg of a name that is the shell's
# on: debian
# effect: 7 8
ARG base_image
FROM ${base_image}
USER root
ARG UID=curl
RUN apt-get install -y $UID
ARG user_id
USER ${user_id}
