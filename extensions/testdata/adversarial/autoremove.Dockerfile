# removes what nothing needs
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get install -y curl && apt-get autoremove -y
ARG user_id
USER ${user_id}
