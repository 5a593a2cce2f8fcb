"""orders-worker: reads the mounted file for every connection, so it needs no restart when the file changes."""

from __future__ import annotations

import threading
from pathlib import Path

import psycopg

from .life import Life

FILE = Path("/etc/orders-db/DATABASE_URL")
HOLD = 1.2  # seconds a connection is kept, long enough for somebody who looks to see it


def main() -> None:
    """Pack orders, one connection a round."""

    def credential() -> str:
        return FILE.read_text().strip()

    def pack_orders() -> None:
        with psycopg.connect(credential(), connect_timeout=5, application_name="orders-worker") as connection:
            connection.execute("UPDATE orders.orders SET packed = true WHERE id = (SELECT max(id) FROM orders.orders)")
            threading.Event().wait(HOLD)

    Life("orders-worker").run(pack_orders, credential, every=0.1)


if __name__ == "__main__":
    main()
