# two here-documents
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN <<EOF cat - && <<TWO touch /x
a
EOF
b
TWO
ARG user_id
USER ${user_id}
