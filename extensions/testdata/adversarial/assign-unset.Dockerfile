# a variable that is not there any more
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN X=curl; unset X; apt-get install -y $X
ARG user_id
USER ${user_id}
