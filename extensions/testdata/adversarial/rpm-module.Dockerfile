# a module stream
# on: ubi
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN microdnf -y module enable nodejs:20
ARG user_id
USER ${user_id}
