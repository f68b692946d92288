# who may not do that
# on: debian
# effect: 8
ARG base_image
FROM ${base_image}
USER root
USER 1001
RUN ldconfig
USER root
ARG user_id
USER ${user_id}
