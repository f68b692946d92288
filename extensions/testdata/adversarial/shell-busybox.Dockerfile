# a shell that BusyBox has not
# on: alpine
# effect: 7 8
ARG base_image
FROM ${base_image}
USER root
SHELL ["/bin/bash", "-c"]
RUN apk add zlib
ARG user_id
USER ${user_id}
