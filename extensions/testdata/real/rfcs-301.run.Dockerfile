ARG base_image
FROM ${base_image}
ARG build_id=0
ADD custom-installer .
ADD tar.deb .
RUN ./custom-installer -p ./tar.deb
