# the group is lost
# on: grouped
# effect: 9
ARG base_image
FROM ${base_image}
USER root
RUN apt-get install -y curl
ARG user_id
USER ${user_id}
