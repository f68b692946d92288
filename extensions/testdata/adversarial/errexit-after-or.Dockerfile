# behind a command that runs only in a broken build, a failure still ends the script
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN set -e; tree --version || exit 1; test -e /nowhere; true
ARG user_id
USER ${user_id}
