# a program that finds a proxy
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get -o Acquire::http::Proxy-Auto-Detect=/x update
ARG user_id
USER ${user_id}
