# leaves a file
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get download curl
ARG user_id
USER ${user_id}
