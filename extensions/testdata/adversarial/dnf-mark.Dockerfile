# marks
# on: ubi
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN dnf mark install openssl
ARG user_id
USER ${user_id}
