# echo at the end of a file
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get install -y curl && echo x >> /etc/y
ARG user_id
USER ${user_id}
