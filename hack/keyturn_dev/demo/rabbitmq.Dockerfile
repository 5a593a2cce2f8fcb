# Debian's RabbitMQ with its management API, non-root, for the end-to-end tests. Build it with hack/images.
# It wants a writable /data, and its configuration at /config/rabbitmq.conf.
FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends rabbitmq-server \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin \
 && groupadd --gid 65532 server && useradd --uid 65532 --gid 65532 --no-create-home --home-dir /data server \
 && echo '[rabbitmq_management].' > /etc/rabbitmq/enabled_plugins && chmod -R a+rX /etc/rabbitmq
ENV HOME=/data LANG=C.UTF-8 \
    RABBITMQ_NODENAME=rabbit@localhost RABBITMQ_LOGS=- ERL_EPMD_ADDRESS=127.0.0.1 \
    RABBITMQ_MNESIA_BASE=/data/db RABBITMQ_LOG_BASE=/data/log RABBITMQ_PID_FILE=/data/pid \
    RABBITMQ_CONFIG_FILE=/config/rabbitmq.conf RABBITMQ_ENABLED_PLUGINS_FILE=/etc/rabbitmq/enabled_plugins
USER 65532:65532
WORKDIR /data
ENTRYPOINT ["/usr/lib/rabbitmq/bin/rabbitmq-server"]
