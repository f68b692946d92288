# what a shell reads at its start
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN ENV=/x; apt-get install -y curl
ARG user_id
USER ${user_id}
