# a here-document for another program
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN python3 <<EOF
open("/x", "w")
EOF
ARG user_id
USER ${user_id}
