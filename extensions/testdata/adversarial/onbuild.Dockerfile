# ONBUILD
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
ONBUILD RUN rm -rf /
RUN apt-get install -y curl
ARG user_id
USER ${user_id}
