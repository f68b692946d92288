# a plugin that is switched on
# on: ubi
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN dnf install -y --enableplugin=x openssl
ARG user_id
USER ${user_id}
