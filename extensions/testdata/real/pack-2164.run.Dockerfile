FROM registry.example/python:3.12-alpine
COPY requirements.txt .
USER root
RUN apk add bash ca-certificates
RUN pip install -r requirements.txt --prefix /usr/local
ARG user_id
ARG group_id
USER ${user_id}:${group_id}
