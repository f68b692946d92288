# a relative path
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN cd /var/lib/apt/lists && rm -rf *
ARG user_id
USER ${user_id}
