# printf that assigns
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN printf -v PATH x
ARG user_id
USER ${user_id}
