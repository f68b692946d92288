# a word too many
# on: ubi
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN dnf clean all --enablerepo=x extra
ARG user_id
USER ${user_id}
