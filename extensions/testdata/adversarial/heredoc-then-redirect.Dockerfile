# a here-document and a redirection
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN <<EOF > /etc/y
apt-get install -y curl
EOF
ARG user_id
USER ${user_id}
