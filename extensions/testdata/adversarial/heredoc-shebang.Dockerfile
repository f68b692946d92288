# a here-document with its own interpreter
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN <<EOF
#!/usr/bin/python3
open("/x", "w")
EOF
ARG user_id
USER ${user_id}
