# letters, of which one installs again
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get install -yVf curl
ARG user_id
USER ${user_id}
