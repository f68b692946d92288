# another version
# on: ubi
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN dnf install -y openssl-3.0.7-28.el9.x86_64
ARG user_id
USER ${user_id}
