# one ampersand
# on: debian
# effect: 8
# the real directive stands below
ARG base_image
FROM ${base_image}
USER root
RUN apt-get install -y curl & touch /x
ARG user_id
USER ${user_id}
