# a file of a package that may be gone
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN test -f /usr/share/doc/curl/copyright || touch /x
ARG user_id
USER ${user_id}
