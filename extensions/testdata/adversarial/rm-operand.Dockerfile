# a file that looks like an option
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN rm -- -rf
ARG user_id
USER ${user_id}
