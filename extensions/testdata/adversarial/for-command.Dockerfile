# a loop over commands
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN for c in true "rm -rf /etc"; do $c; done
ARG user_id
USER ${user_id}
