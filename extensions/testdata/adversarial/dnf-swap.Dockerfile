# replaces
# on: ubi
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN dnf swap -y openssl openssl-fips
ARG user_id
USER ${user_id}
