# perl-base provides it, but apt installs the package of that name
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get install -y libsocket-perl
ARG user_id
USER ${user_id}
