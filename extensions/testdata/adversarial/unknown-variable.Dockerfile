# packages in a variable without value
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get install -y $PACKAGES
ARG user_id
USER ${user_id}
