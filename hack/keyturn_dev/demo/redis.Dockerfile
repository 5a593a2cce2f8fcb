# Debian's Redis, non-root, for the end-to-end tests. Build it with hack/images.
FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends redis-server \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin
USER 65532:65532
ENTRYPOINT ["redis-server"]
