# installs a file
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN dpkg -i /x.deb
ARG user_id
USER ${user_id}
