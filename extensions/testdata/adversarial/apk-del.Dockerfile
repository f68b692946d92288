# removes
# on: alpine
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apk add zlib && apk del musl-utils
ARG user_id
USER ${user_id}
