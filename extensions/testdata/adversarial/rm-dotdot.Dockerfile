# a way out of the folder
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN rm -rf /var/lib/apt/lists/../../dpkg
ARG user_id
USER ${user_id}
