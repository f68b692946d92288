# trusts a key
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-key add /x
ARG user_id
USER ${user_id}
