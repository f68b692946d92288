# a pin that is spelled otherwise than apt spells the version
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get install -y curl=0:7.88.1-10+deb12u15
ARG user_id
USER ${user_id}
