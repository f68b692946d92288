# a mount
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN --mount=type=bind,target=/src apt-get install -y curl
ARG user_id
USER ${user_id}
