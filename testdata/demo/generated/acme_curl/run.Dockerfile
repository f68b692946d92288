ARG base_image
FROM ${base_image}

USER root
RUN apt-get update && \
    apt-get install -y --no-install-recommends curl && \
    rm -rf /var/lib/apt/lists/*

ARG user_id
USER ${user_id}
