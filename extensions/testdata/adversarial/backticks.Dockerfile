# the old spelling of a substitution
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get install -y `cat /packages`
ARG user_id
USER ${user_id}
