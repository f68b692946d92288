# CMD
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
CMD ["sh"]
RUN apt-get install -y curl
ARG user_id
USER ${user_id}
