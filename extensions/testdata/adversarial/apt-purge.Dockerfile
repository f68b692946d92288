# removes what the image has
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get purge -y curl
ARG user_id
USER ${user_id}
