# ends the script
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN exit 0
ARG user_id
USER ${user_id}
