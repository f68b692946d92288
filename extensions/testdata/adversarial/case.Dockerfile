# a choice
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN case $(uname -m) in x86_64) apt-get install -y curl;; esac
ARG user_id
USER ${user_id}
