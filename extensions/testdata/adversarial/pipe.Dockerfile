# a pipe into a file
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get install -y curl | tee /install.log
ARG user_id
USER ${user_id}
