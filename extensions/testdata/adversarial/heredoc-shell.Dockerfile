# a here-document for a shell
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN sh -s <<EOF
rm -rf /etc
EOF
ARG user_id
USER ${user_id}
