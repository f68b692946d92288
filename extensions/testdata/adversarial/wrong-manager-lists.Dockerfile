# lists of another distribution
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apk update
ARG user_id
USER ${user_id}
