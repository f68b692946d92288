# sed writes
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN sed -i s/a/b/ /etc/passwd
ARG user_id
USER ${user_id}
