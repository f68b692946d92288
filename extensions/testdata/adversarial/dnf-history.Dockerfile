# undoes
# on: ubi
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN dnf history undo last
ARG user_id
USER ${user_id}
