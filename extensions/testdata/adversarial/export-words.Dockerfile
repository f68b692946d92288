# an export of anything
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN export "$OTHER"
ARG user_id
USER ${user_id}
