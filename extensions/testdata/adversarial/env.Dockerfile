# an environment that stays in the image
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
ENV DEBIAN_FRONTEND=noninteractive
RUN apt-get install -y curl
ARG user_id
USER ${user_id}
