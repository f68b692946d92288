# a pattern of names
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get install -y 'libxml2*'
ARG user_id
USER ${user_id}
