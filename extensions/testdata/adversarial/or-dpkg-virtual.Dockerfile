# a package that is only provided
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN dpkg -s apt-transport-https || touch /x
ARG user_id
USER ${user_id}
