# the second command may run in a build that works, and fail
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN if test -e /nowhere; then true; else test -e /nowhere/else; fi
ARG user_id
USER ${user_id}
