# a here-document with a redirection
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN <<EOF
apt-get install -y curl
echo x > /etc/y
EOF
ARG user_id
USER ${user_id}
