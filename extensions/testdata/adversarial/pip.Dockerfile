# another package manager
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN pip install --prefix /usr requests
ARG user_id
USER ${user_id}
