# trusts keys
# on: ubi
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN zypper -n --gpg-auto-import-keys refresh
ARG user_id
USER ${user_id}
