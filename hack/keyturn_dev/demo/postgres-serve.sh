#!/bin/sh
# Starts PostgreSQL, making its database first when there is none.
#   $PGDATA                                below the volume at /var/lib/postgresql/data
#   /etc/postgresql/initdb.d/*.sql         run once, as the superuser `postgres`, over a local socket
#   /etc/postgresql/conf.d/*.conf          settings, read last
#   /etc/postgresql/pg_hba.conf            who may log in, instead of the default: SCRAM over TLS only
#   /etc/postgresql/tls/{tls.crt,tls.key}  the server's certificate; TLS is on when it is there
# Other arguments go to `postgres` as they are.
set -eu
conf=/etc/postgresql
sockets=/tmp

settings() {
  echo "listen_addresses = '*'"
  echo "unix_socket_directories = '$sockets'"
  echo "password_encryption = 'scram-sha-256'"
  if [ -e $conf/tls/tls.crt ]; then
    # The server wants its key readable by nobody else, and a mounted Secret often is not.
    echo "ssl = on"
    echo "ssl_cert_file = '$conf/tls/tls.crt'"
    echo "ssl_key_file = '$PGDATA/server.key'"
  fi
  if [ -d $conf/conf.d ]; then echo "include_dir = '$conf/conf.d'"; fi
}

access() {
  if [ -e $conf/pg_hba.conf ]; then cat $conf/pg_hba.conf; return; fi
  echo "local all postgres peer map=owner"
  if [ -e $conf/tls/tls.crt ]; then kind=hostssl; else kind=host; fi
  echo "$kind all all all scram-sha-256"
}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  # Made aside and moved into place at the end: a start that was cut short leaves nothing half-made.
  fresh="$PGDATA.making"
  rm -rf "$fresh"
  initdb --pgdata "$fresh" --username postgres --auth trust --encoding UTF8 --no-instructions > /dev/null
  pg_ctl --pgdata "$fresh" --silent --wait --options "-c listen_addresses='' -c unix_socket_directories=$sockets" start
  for file in $conf/initdb.d/*.sql; do
    if [ -e "$file" ]; then
      echo "serve: running $file"
      psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --host $sockets --username postgres --file "$file"
    fi
  done
  pg_ctl --pgdata "$fresh" --silent --wait stop
  mv "$fresh" "$PGDATA"
fi
if [ -e $conf/tls/tls.key ]; then
  (umask 077 && cp $conf/tls/tls.key "$PGDATA/server.key")
fi
settings > "$PGDATA/keyturn.conf"
grep -q keyturn.conf "$PGDATA/postgresql.conf" || echo "include 'keyturn.conf'" >> "$PGDATA/postgresql.conf"
access > "$PGDATA/pg_hba.conf"
echo "owner server postgres" > "$PGDATA/pg_ident.conf"
exec postgres "$@"
