# goes on where the install fails
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get install -y libgd3 || true
ARG user_id
USER ${user_id}
