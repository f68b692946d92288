# a package that is not installed
# on: alpine
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apk info -e cowsay || apk add cowsay
ARG user_id
USER ${user_id}
