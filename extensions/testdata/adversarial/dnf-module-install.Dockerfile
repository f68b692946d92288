# installs what is not named
# on: ubi
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN dnf module install -y nodejs:20
ARG user_id
USER ${user_id}
