# the second condition holds
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN if false; then true; elif command -v curl; then touch /x; fi
ARG user_id
USER ${user_id}
