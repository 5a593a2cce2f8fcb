#!/bin/sh
# Starts MariaDB, making its databases first when there are none.
#   /var/lib/mysql           a volume
#   /run/mysqld              a volume; the local socket is there, and lets the pod's own user in as an administrator
#   /etc/mariadb/initdb.d/*  run once, in order, by that administrator
#   /etc/mariadb/tls/        tls.crt and tls.key of the server; there is no way in without TLS
# Arguments go to `mariadbd` as they are.
set -eu
data=/var/lib/mysql/data
socket=/run/mysqld/sock

if [ ! -d "$data" ]; then
  # Made aside and moved into place at the end: a start that was cut short leaves nothing half-made.
  fresh="$data.making"
  rm -rf "$fresh"
  mariadb-install-db --no-defaults --datadir="$fresh" --auth-root-socket-user=server --skip-test-db \
    --skip-name-resolve > /dev/null
  mariadbd --no-defaults --datadir="$fresh" --socket=$socket --skip-networking --skip-log-error &
  until mariadb-admin --no-defaults --socket=$socket --user=server --silent ping 2> /dev/null; do sleep 0.1; done
  for file in /etc/mariadb/initdb.d/*; do
    echo "serve: running $file"
    mariadb --no-defaults --socket=$socket --user=server < "$file"
  done
  mariadb-admin --no-defaults --socket=$socket --user=server shutdown
  wait
  mv "$fresh" "$data"
fi
exec mariadbd --no-defaults --datadir="$data" --socket=$socket --skip-name-resolve --skip-log-error \
  --require-secure-transport=1 --ssl-cert=/etc/mariadb/tls/tls.crt --ssl-key=/etc/mariadb/tls/tls.key "$@"
