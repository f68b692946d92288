# a loop that sets PATH
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN for PATH in /x; do apt-get install -y curl; done
ARG user_id
USER ${user_id}
