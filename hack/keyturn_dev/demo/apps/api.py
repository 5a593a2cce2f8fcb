"""orders-api: takes its database URL from the environment once, and keeps a pool of connections."""

from __future__ import annotations

import os

from psycopg_pool import ConnectionPool

from .life import Life, refuse_users_this_build_does_not_know


def main() -> None:
    """Take an order now and then."""
    url = os.environ["DATABASE_URL"]
    refuse_users_this_build_does_not_know(url)
    with ConnectionPool(url, min_size=2, max_size=4, kwargs={"application_name": "orders-api"}, timeout=3) as pool:

        def take_an_order() -> None:
            with pool.connection() as connection:
                connection.execute("INSERT INTO orders.orders (item) VALUES ('book')")

        Life("orders-api").run(take_an_order, lambda: url, every=0.4)


if __name__ == "__main__":
    main()
