# an owner
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN chown ${user_id} /workspace
ARG user_id
USER ${user_id}
