# hostname can set a name
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN hostname x
ARG user_id
USER ${user_id}
