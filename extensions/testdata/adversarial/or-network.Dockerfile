# what is done where the network fails, otherwise
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get update || echo x > /etc/apt/sources.list
ARG user_id
USER ${user_id}
