# two names, one of which is missing
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN which curl cowsay || touch /x
ARG user_id
USER ${user_id}
