# an export whose words are split
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN export LANG=$OTHER && apt-get install -y curl
ARG user_id
USER ${user_id}
