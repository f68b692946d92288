# a file that cannot be told
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN cat $FLAG
ARG user_id
USER ${user_id}
