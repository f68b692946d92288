# a shell that ends where a command may fail
# on: debian
# effect: 8
ARG base_image
FROM ${base_image}
USER root
SHELL ["/bin/bash", "-e", "-c"]
RUN cat /flag; apt-get install -y curl
ARG user_id
USER ${user_id}
