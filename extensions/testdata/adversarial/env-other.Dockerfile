# another value than the image has
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
ENV LANG=de_DE.UTF-8
RUN apt-get install -y curl
ARG user_id
USER ${user_id}
