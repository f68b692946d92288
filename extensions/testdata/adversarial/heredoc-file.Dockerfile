# a here-document into a file
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN cat <<EOF > /etc/y
x
EOF
ARG user_id
USER ${user_id}
