# a package made up
# on: alpine
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apk add --virtual .build-deps zlib
ARG user_id
USER ${user_id}
