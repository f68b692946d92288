# trusts a key
# on: ubi
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN rpm --import /x
ARG user_id
USER ${user_id}
