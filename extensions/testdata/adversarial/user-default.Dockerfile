# another build arg
# on: debian
# effect: 9
ARG base_image
FROM ${base_image}
USER root
RUN apt-get install -y curl
ARG other=1001
USER ${other}
