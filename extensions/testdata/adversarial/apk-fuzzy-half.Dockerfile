# half a number
# on: alpine
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apk add 'zlib=~1.2.80'
ARG user_id
USER ${user_id}
