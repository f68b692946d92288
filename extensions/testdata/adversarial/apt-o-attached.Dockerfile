# the same, attached
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get -oDPkg::Pre-Invoke::=/x install -y curl
ARG user_id
USER ${user_id}
