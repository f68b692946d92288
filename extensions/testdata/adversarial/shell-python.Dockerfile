# a shell that is none
# on: debian
# effect: 7 8
ARG base_image
FROM ${base_image}
USER root
SHELL ["python3", "-c"]
RUN print("x")
ARG user_id
USER ${user_id}
