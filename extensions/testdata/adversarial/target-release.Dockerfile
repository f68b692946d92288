# another release as an option
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get install -y -t bookworm-backports curl
ARG user_id
USER ${user_id}
