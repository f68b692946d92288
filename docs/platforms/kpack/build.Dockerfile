# The build image of the stack, with the operator's policy. kpack takes only the layer with the phases from the lifecycle
# image, and passes no settings to them:
#
#     docker build --build-arg build=registry.example/build:bookworm --tag registry.example/build:bookworm-baseplan --file build.Dockerfile .
ARG build
FROM ${build}
COPY baseplan.toml /cnb/baseplan.toml
