# installs a file, verbosely
# on: ubi
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN rpm -ivh /x.rpm
ARG user_id
USER ${user_id}
