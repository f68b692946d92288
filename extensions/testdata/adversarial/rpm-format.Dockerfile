# a format that is a macro
# on: ubi
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN rpm -q --qf '%(touch /x)' openssl
ARG user_id
USER ${user_id}
