# appends to a variable
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN X=cur; X+=l; apt-get install -y $X
ARG user_id
USER ${user_id}
