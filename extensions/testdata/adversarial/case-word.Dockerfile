# not understood, and writes
# on: debian
# effect: 7
ARG base_image
FROM ${base_image}
USER root
RUN case x in x) touch /x;; esac
ARG user_id
USER ${user_id}
