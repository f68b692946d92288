ARG base_image
FROM ${base_image}

USER root
RUN apt-get update && apt-get install -y tree

LABEL io.buildpacks.rebasable=true

ARG build_id=0
RUN echo ${build_id}

ARG user_id
USER ${user_id}
