# another shell
# on: debian
# effect: 7 8
ARG base_image
FROM ${base_image}
USER root
SHELL ["/bin/evil", "-c"]
RUN apt-get install -y curl
ARG user_id
USER ${user_id}
