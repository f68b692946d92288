# another architecture
# on: ubi
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN dnf install -y openssl.i686
ARG user_id
USER ${user_id}
