# the left side of a pipe writes
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN touch /x | cat
ARG user_id
USER ${user_id}
