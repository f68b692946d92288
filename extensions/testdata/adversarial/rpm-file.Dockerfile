# a file
# on: ubi
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN dnf install -y https://example.com/openssl.rpm
ARG user_id
USER ${user_id}
