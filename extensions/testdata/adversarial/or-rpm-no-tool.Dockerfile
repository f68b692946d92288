# rpm itself may be missing
# on: ubi
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN rpm -q openssl || touch /x
ARG user_id
USER ${user_id}
