# Debian's PostgreSQL 15 in place of the official image, as far as docker-compose.yml uses that one:
# POSTGRES_USER, POSTGRES_DB, POSTGRES_PASSWORD_FILE, data in /var/lib/postgresql/data.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
RUN apt-get update -qq && mkdir -p /etc/postgresql-common \
  && echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf \
  && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql-15 >/dev/null \
  && rm -rf /var/lib/apt/lists/*
ENV PATH=/usr/lib/postgresql/15/bin:$PATH PGDATA=/var/lib/postgresql/data
RUN mkdir -p $PGDATA /var/run/postgresql && chown -R postgres: $PGDATA /var/run/postgresql
RUN printf '%s\n' '#!/bin/sh' 'set -e' \
  'if [ ! -s $PGDATA/PG_VERSION ]; then' \
  '  initdb -U $POSTGRES_USER --pwfile=$POSTGRES_PASSWORD_FILE -A scram-sha-256 -E UTF8 >/dev/null' \
  '  echo "host all all all scram-sha-256" >>$PGDATA/pg_hba.conf' \
  '  export PGPASSWORD=$(cat $POSTGRES_PASSWORD_FILE)' \
  '  pg_ctl -o "-c listen_addresses=" -w start >/dev/null' \
  '  createdb -U $POSTGRES_USER $POSTGRES_DB' \
  '  pg_ctl -w stop >/dev/null' \
  'fi' \
  'exec postgres -c listen_addresses=*' >/entrypoint && chmod 755 /entrypoint
USER postgres
STOPSIGNAL SIGINT
CMD ["/entrypoint"]
