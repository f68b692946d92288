# removes besides
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get install -y --auto-remove curl
ARG user_id
USER ${user_id}
