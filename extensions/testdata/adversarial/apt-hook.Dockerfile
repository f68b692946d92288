# an option that runs a command
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get -o APT::Update::Pre-Invoke::='touch /x' update
ARG user_id
USER ${user_id}
