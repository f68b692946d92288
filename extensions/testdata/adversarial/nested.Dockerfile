# deep within
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN if true; then for x in 1; do { (false || touch /x); }; done; fi
ARG user_id
USER ${user_id}
