# how words are split
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN IFS=l; PKG=tlree; apt-get install -y $PKG
ARG user_id
USER ${user_id}
