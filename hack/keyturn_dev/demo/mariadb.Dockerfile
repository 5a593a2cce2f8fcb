# Debian's MariaDB, non-root, for the demo and the end-to-end tests. Build it with hack/images.
FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends mariadb-server \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/lib/mysql/* /etc/mysql/mariadb.conf.d/* \
 && groupadd --gid 65532 server && useradd --uid 65532 --gid 65532 --no-create-home --home-dir /var/lib/mysql server
COPY --chmod=0755 serve /usr/local/bin/serve
USER 65532:65532
ENTRYPOINT ["serve"]
