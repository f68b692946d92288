# a package that is not installed
# on: ubi
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN rpm -q cowsay || dnf install -y cowsay
ARG user_id
USER ${user_id}
