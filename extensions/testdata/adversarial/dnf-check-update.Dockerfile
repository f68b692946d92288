# ends with 100 where there is news
# on: ubi
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN dnf check-update && dnf install -y openssl
ARG user_id
USER ${user_id}
