# a variable that is one word with a space in it
# on: debian
# effect: 8
ARG base_image
FROM ${base_image}
USER root
ARG PACKAGES="curl tree"
RUN apt-get install -y "$PACKAGES"
ARG user_id
USER ${user_id}
