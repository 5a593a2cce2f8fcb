# Debian's PostgreSQL 15, non-root, for the demo and the tests. Build it with hack/images.
FROM debian:bookworm-slim
RUN apt-get update \
 && mkdir -p /etc/postgresql-common \
 && echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf \
 && apt-get install -y --no-install-recommends postgresql-15 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin \
 && groupadd --gid 65532 server && useradd --uid 65532 --gid 65532 --no-create-home --home-dir /var/lib/postgresql server \
 && mkdir -p /var/lib/postgresql/data && chown 65532:65532 /var/lib/postgresql /var/lib/postgresql/data
COPY --chmod=0755 serve /usr/local/bin/serve
ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/bin:/bin PGDATA=/var/lib/postgresql/data/pgdata LANG=C.UTF-8
USER 65532:65532
STOPSIGNAL SIGINT
ENTRYPOINT ["serve"]
