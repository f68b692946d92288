# an effect inside parentheses
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN (apt-get update; rm -f /etc/motd)
ARG user_id
USER ${user_id}
