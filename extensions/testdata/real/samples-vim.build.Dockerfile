ARG base_image
FROM ${base_image}

USER root
RUN apk update && apk add vim

ARG user_id
USER ${user_id}
