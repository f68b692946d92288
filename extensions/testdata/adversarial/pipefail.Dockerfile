# the left side of a pipe may fail
# on: debian
# effect: 8
ARG base_image
FROM ${base_image}
USER root
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN cat /flag | cat
ARG user_id
USER ${user_id}
