# an option of the shell that is not understood
# on: debian
# effect: 7 8
ARG base_image
FROM ${base_image}
USER root
SHELL ["/bin/bash", "-o", "noexec", "-c"]
RUN apt-get install -y curl
SHELL ["/bin/sh", "-c"]
ARG user_id
USER ${user_id}
