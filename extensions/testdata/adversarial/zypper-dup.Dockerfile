# upgrades
# on: ubi
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN zypper -n dup
ARG user_id
USER ${user_id}
