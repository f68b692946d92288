# the right side of a pipe writes
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN dpkg -l | tee /packages
ARG user_id
USER ${user_id}
