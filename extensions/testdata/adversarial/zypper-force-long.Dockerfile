# installs again
# on: ubi
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN zypper -n in --force openssl
ARG user_id
USER ${user_id}
