# ends where a command may fail
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN set -e; test -f /flag; apt-get install -y curl
ARG user_id
USER ${user_id}
