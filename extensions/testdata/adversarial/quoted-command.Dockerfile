# a command in quotes
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN "rm" -rf /etc
ARG user_id
USER ${user_id}
