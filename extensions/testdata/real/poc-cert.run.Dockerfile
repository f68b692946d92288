ARG base_image
FROM ${base_image}

USER root
RUN apt-get update && apt-get install -y openssl ca-certificates
RUN openssl req -x509 -newkey rsa:4096 -nodes -keyout key.pem -out cert.pem -subj /CN=example
RUN cp cert.pem /usr/local/share/ca-certificates/cert.crt
RUN update-ca-certificates
