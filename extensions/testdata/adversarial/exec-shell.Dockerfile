# a shell in the exec form
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN ["sh", "-c", "apt-get install -y curl"]
ARG user_id
USER ${user_id}
