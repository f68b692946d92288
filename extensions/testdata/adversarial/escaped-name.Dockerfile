# a backslash in a name
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get install -y cur\\l
ARG user_id
USER ${user_id}
