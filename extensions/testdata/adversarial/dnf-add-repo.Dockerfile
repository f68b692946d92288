# adds a repository
# on: ubi
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN dnf config-manager --add-repo https://example.com/x.repo
ARG user_id
USER ${user_id}
