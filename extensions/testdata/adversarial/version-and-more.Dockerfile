# more than a look at the version
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN curl --version -o /x https://example.com
ARG user_id
USER ${user_id}
