# a package that is not installed
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN dpkg -s libgd3 || apt-get install -y libgd3
ARG user_id
USER ${user_id}
