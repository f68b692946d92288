# overwrites even with noclobber
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN echo x >| /etc/y
ARG user_id
USER ${user_id}
