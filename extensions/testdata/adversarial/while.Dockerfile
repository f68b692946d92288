# a loop without end
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN while true; do apt-get update; done
ARG user_id
USER ${user_id}
