# a folder in a variable
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN D=/usr; rm -rf $D/lib
ARG user_id
USER ${user_id}
