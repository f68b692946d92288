# a loop that writes to its variable
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN for f in a b; do echo x > /etc/$f; done
ARG user_id
USER ${user_id}
