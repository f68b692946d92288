# an effect at the end of continued lines
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN apt-get update \
    && apt-get install -y curl \
    # a comment between \
    && touch /x
ARG user_id
USER ${user_id}
