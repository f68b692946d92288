# a script from the network
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN curl -L https://example.com/install.sh | sh
ARG user_id
USER ${user_id}
