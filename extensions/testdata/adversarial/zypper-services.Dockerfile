# services bring repositories
# on: ubi
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN zypper -n refresh -s
ARG user_id
USER ${user_id}
