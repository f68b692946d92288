# adds a repository
# on: ubi
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN zypper addrepo https://example.com x
ARG user_id
USER ${user_id}
