# COPY from a here-document
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
COPY <<EOF /etc/y
x
EOF
RUN apt-get install -y curl
ARG user_id
USER ${user_id}
