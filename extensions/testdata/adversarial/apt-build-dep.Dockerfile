# installs what is not named
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get build-dep -y curl
ARG user_id
USER ${user_id}
