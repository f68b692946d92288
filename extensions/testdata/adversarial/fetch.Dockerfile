# a download
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN curl -o /usr/bin/x https://example.com/x
ARG user_id
USER ${user_id}
