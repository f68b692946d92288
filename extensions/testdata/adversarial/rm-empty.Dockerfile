# a variable with nothing in it
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN D=; rm -rf /$D
ARG user_id
USER ${user_id}
