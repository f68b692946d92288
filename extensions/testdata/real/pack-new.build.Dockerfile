ARG base_image
FROM ${base_image}

RUN echo "Hello from build extension"
