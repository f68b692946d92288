# fails where that is not there
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN rm /tmp/x
ARG user_id
USER ${user_id}
