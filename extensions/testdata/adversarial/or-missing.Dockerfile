# a command that is missing is installed
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN command -v cowsay || apt-get install -y cowsay
ARG user_id
USER ${user_id}
