ARG base_image
FROM ${base_image}

RUN curl -L https://example.com/mongodb.sh | sh # installs to /opt
LABEL io.buildpacks.rebasable=true
