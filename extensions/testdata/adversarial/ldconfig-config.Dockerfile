# reads another configuration
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN ldconfig -f /etc/other.conf
ARG user_id
USER ${user_id}
