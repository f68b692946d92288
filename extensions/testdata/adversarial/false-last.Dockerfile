# fails at its end
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get install -y curl; test -f /flag
ARG user_id
USER ${user_id}
