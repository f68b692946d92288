# ends without the group that the image names
# on: grouped
# effect: 8
ARG base_image
FROM ${base_image}
USER root
RUN apt-get install -y curl
USER 1000
