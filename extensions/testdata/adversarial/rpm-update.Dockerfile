# an update
# on: ubi
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN microdnf update -y && microdnf clean all
ARG user_id
USER ${user_id}
