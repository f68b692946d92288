# edits the sources
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt edit-sources
ARG user_id
USER ${user_id}
