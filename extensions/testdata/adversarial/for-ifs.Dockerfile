# a loop that sets IFS
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN for IFS in l; do apt-get install -y curl; done
ARG user_id
USER ${user_id}
