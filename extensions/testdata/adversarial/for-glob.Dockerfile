# a loop over whatever there is
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN for f in /var/lib/apt/lists/*; do rm -rf $f; done
ARG user_id
USER ${user_id}
