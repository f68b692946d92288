# a macro runs a command
# on: ubi
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN rpm --eval '%(touch /x)'
ARG user_id
USER ${user_id}
