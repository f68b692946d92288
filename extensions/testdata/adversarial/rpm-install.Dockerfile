# installs a file
# on: ubi
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN rpm -i /x.rpm
ARG user_id
USER ${user_id}
