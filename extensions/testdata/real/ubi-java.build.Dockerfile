ARG base_image
FROM ${base_image}

USER root
ARG build_id=0
RUN echo ${build_id}
RUN microdnf --setopt=install_weak_deps=0 --setopt=tsflags=nodocs install -y openssl-devel java-17-openjdk-devel nss_wrapper which && microdnf clean all
RUN echo 17 > /bpi.paketo.ubi.java.version
USER 1002:1000
