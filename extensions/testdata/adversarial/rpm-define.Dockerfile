# a macro runs a command, in a query
# on: ubi
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN rpm -q --define 'x %(touch /x)' openssl
ARG user_id
USER ${user_id}
