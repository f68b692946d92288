# leaves a file
# on: alpine
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apk fetch zlib
ARG user_id
USER ${user_id}
