# an option that names a folder
# on: ubi
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN dnf --setopt pluginpath=/x install -y openssl
ARG user_id
USER ${user_id}
