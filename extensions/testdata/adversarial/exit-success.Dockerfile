# ends early, with success
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN command -v curl && exit 0; touch /x
ARG user_id
USER ${user_id}
