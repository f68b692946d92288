# the same, in SHELL
# on: debian
# effect: 7 8
ARG base_image
FROM ${base_image}
USER root
SHELL ["/bin/sh", "-o", "pipefail", "-c"]
RUN apt-get install -y curl
ARG user_id
USER ${user_id}
