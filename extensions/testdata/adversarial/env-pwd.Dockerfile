# the shell sets this itself, whatever the image says
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get install -y $PWD
ARG user_id
USER ${user_id}
