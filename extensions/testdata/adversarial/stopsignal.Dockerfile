# STOPSIGNAL
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
STOPSIGNAL 9
RUN apt-get install -y curl
ARG user_id
USER ${user_id}
