# a loop over paths, one of which is no cache
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN for d in /tmp /etc; do rm -rf $d/*; done
ARG user_id
USER ${user_id}
