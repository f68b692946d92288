# git writes a file with it, whatever it is asked
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
ARG GIT_TRACE=/etc/y
RUN apt-get install -y curl
ARG user_id
USER ${user_id}
