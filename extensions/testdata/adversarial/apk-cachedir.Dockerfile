# another cache
# on: alpine
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apk add --cache-dir /x zlib
ARG user_id
USER ${user_id}
