# adds an architecture
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN dpkg --add-architecture i386
ARG user_id
USER ${user_id}
