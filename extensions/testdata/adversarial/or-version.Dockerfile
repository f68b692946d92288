# a program may be broken
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN curl --version || touch /x
ARG user_id
USER ${user_id}
