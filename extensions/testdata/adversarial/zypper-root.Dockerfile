# works elsewhere
# on: ubi
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN zypper --root /x -n in openssl
ARG user_id
USER ${user_id}
