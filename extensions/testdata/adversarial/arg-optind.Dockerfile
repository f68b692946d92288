# dash ends where this is no number
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
ARG OPTIND=x
RUN apt-get install -y curl
ARG user_id
USER ${user_id}
