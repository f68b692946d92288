# a substitution inside an argument of echo
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN echo "$(touch /x)"
ARG user_id
USER ${user_id}
