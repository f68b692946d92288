# fails, and the build with it
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get install -y curl && false
ARG user_id
USER ${user_id}
