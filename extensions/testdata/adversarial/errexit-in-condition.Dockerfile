# set -e holds behind the condition that it stands in
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN if set -e; then true; fi; test -e /nowhere; true
ARG user_id
USER ${user_id}
