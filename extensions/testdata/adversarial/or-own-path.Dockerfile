# a command that is looked for elsewhere
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN command -v /opt/curl || touch /x
ARG user_id
USER ${user_id}
