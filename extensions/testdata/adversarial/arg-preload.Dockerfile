# a build arg that the linker heeds
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
ARG LD_PRELOAD=/x.so
RUN apt-get install -y curl
ARG user_id
USER ${user_id}
