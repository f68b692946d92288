# an argument that is not known
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get clean everything
ARG user_id
USER ${user_id}
