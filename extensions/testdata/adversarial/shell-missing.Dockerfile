# a shell that the image may not have
# on: ubi
# effect: 7 8
ARG base_image
FROM ${base_image}
USER root
SHELL ["/bin/bash", "-c"]
RUN dnf install -y openssl
ARG user_id
USER ${user_id}
