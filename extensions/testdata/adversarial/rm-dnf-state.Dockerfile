# a database, no cache
# on: ubi
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN rm -rf /var/lib/dnf
ARG user_id
USER ${user_id}
