# prints into a file, whatever set -C says
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN cat /etc/passwd >| /etc/y
ARG user_id
USER ${user_id}
