# a loop over lines
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN cat /etc/passwd | while read x; do touch /x; done
ARG user_id
USER ${user_id}
