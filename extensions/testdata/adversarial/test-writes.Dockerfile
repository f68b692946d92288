# a test with a redirection
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN test -n x > /y
ARG user_id
USER ${user_id}
