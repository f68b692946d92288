# a variable with one package that is missing
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN PKGS='curl libgd3'; apt-get install -y $PKGS
ARG user_id
USER ${user_id}
