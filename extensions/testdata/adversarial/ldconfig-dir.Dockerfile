# reads other folders
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN ldconfig /opt/lib
ARG user_id
USER ${user_id}
