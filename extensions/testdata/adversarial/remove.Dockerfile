# removes
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get remove -y tree
ARG user_id
USER ${user_id}
