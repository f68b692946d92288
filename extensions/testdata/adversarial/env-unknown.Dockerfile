# a value that cannot be told
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
ENV LANG=${NOT_THERE}
RUN apt-get install -y curl
ARG user_id
USER ${user_id}
