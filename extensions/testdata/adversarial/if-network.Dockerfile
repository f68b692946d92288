# what is done where the network fails
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN if apt-get update; then true; else echo x > /etc/apt/sources.list; fi
ARG user_id
USER ${user_id}
