ARG base_image
FROM ${base_image}

USER root
ARG some_arg
RUN echo ${some_arg} > /opt/arg.txt
RUN apt-get update && apt-get install -y curl && rm -rf /var/lib/apt/lists/*
