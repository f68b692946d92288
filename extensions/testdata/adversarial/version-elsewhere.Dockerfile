# a command that the image has not, so that the build would fail
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN cowsay --version
ARG user_id
USER ${user_id}
