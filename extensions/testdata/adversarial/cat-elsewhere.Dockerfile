# another cat
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN /opt/cat /etc/passwd
ARG user_id
USER ${user_id}
