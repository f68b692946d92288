# another version
# on: alpine
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apk add 'zlib~=1.3'
ARG user_id
USER ${user_id}
