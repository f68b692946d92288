# an option that Debian's sh does not have
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN set -o pipefail; apt-get install -y curl
ARG user_id
USER ${user_id}
