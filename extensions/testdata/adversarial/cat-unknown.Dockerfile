# a file that may not be there
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN cat /flag
ARG user_id
USER ${user_id}
