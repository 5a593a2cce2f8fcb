"""orders-cache: reads the mounted file once, at start. A new file changes nothing for it: it needs a restart."""

from __future__ import annotations

from pathlib import Path

from psycopg_pool import ConnectionPool

from .life import Life

FILE = Path("/etc/orders-db/DATABASE_URL")


def main() -> None:
    """Keep the newest order in memory."""
    url = FILE.read_text().strip()
    with ConnectionPool(url, min_size=2, max_size=2, kwargs={"application_name": "orders-cache"}, timeout=3) as pool:

        def look_up() -> None:
            with pool.connection() as connection:
                connection.execute("SELECT * FROM orders.orders ORDER BY id DESC LIMIT 1")

        Life("orders-cache").run(look_up, lambda: url, every=0.4)


if __name__ == "__main__":
    main()
