# a here-document that is no script, but the third descriptor
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN 3<<EOF
apt-get install -y curl
EOF
ARG user_id
USER ${user_id}
