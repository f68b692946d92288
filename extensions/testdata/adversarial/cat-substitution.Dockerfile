# its operand runs a command
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN cat "$(touch /x)"
ARG user_id
USER ${user_id}
