ARG base_image
FROM ${base_image}

RUN curl --version

USER root
RUN apk update && apk add --repository https://dl-cdn.alpinelinux.org/alpine/edge/testing cowsay

ARG user_id
USER ${user_id}
