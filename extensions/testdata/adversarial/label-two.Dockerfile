# a second label beside the harmless one
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
LABEL io.buildpacks.rebasable=true maintainer=me
RUN apt-get install -y curl
ARG user_id
USER ${user_id}
