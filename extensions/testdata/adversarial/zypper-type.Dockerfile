# a pattern of that name
# on: ubi
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN zypper -n in -t pattern openssl
ARG user_id
USER ${user_id}
