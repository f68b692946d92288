# a variable of bash's
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN UID=5; apt-get install -y curl
ARG user_id
USER ${user_id}
