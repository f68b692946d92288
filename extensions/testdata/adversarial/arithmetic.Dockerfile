# arithmetic that assigns
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN echo $((x = 1))
ARG user_id
USER ${user_id}
