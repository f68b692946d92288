# a variable that depends on a condition
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN if test -f /flag; then P=curl; else P=libgd3; fi; apt-get install -y $P
ARG user_id
USER ${user_id}
