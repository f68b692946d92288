# the same, by its old name
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get -o Acquire::http::ProxyAutoDetect=/x update
ARG user_id
USER ${user_id}
