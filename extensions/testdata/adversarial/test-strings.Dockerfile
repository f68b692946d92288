# strings that differ
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN test curl = tree || touch /x
ARG user_id
USER ${user_id}
