# a loop over what only the builder knows
# on: debian
# effect: 8
ARG base_image
FROM ${base_image}
USER root
ARG build_id
RUN for p in $build_id; do rm -rf /tmp/$p; done
ARG user_id
USER ${user_id}
