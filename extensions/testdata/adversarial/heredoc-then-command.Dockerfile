# a here-document in front of its command
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN <<EOF tee /etc/y
apt-get install -y curl
EOF
ARG user_id
USER ${user_id}
