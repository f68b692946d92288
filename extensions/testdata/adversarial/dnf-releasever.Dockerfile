# another release
# on: ubi
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN dnf install -y --releasever=40 openssl
ARG user_id
USER ${user_id}
