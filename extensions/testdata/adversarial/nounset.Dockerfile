# a variable without a value ends the script
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN set -u; echo $NOTHING
ARG user_id
USER ${user_id}
