# a command in a variable
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN X='touch /x'; $X
ARG user_id
USER ${user_id}
