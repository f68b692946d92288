# holds a package
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-mark hold curl
ARG user_id
USER ${user_id}
