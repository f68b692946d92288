# an end of options, which not every manager has
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get install -y -- curl
ARG user_id
USER ${user_id}
