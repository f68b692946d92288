# an option that names a command
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get -o Dpkg::Pre-Install-Pkgs::=/x install -y curl
ARG user_id
USER ${user_id}
