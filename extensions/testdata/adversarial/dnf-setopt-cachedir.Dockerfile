# a cache elsewhere
# on: ubi
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN dnf install -y --setopt=cachedir=/etc openssl
ARG user_id
USER ${user_id}
