"""stock: counts pieces in MariaDB."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from .two_ways import HOLD, TwoWays

REFUSED = {1044, 1045, 1698, 1820, 4151}  # ER_DBACCESS_DENIED, ER_ACCESS_DENIED …, ER_ACCOUNT_HAS_BEEN_LOCKED

TLS = ssl.create_default_context()  # as with the other backends' clients, the demo's check no certificate
TLS.check_hostname = False
TLS.verify_mode = ssl.CERT_NONE


def _connected(url: str) -> Connection[Cursor]:
    at = urlsplit(url)
    return pymysql.connect(
        host=at.hostname,
        port=at.port or 3306,
        user=at.username,
        password=at.password or "",
        database=at.path.removeprefix("/"),
        ssl=TLS,
        connect_timeout=5,
        read_timeout=5,
        autocommit=True,
    )


def log_in(url: str, _name: str) -> str:
    """One login of the witness: ``ok``, ``refused`` when the server said no, ``unreachable`` when nobody could tell."""
    try:
        _connected(url).close()
    except pymysql.err.OperationalError as failure:
        return "refused" if failure.args[0] in REFUSED else "unreachable"
    except (pymysql.MySQLError, OSError):
        return "unreachable"
    return "ok"


def _count(connection: Connection[Cursor], item: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE stock SET pieces = pieces + 1 WHERE item = %s", (item,))


def _sell(url: str) -> Callable[[], None]:
    kept: list[Connection[Cursor]] = []

    def sell() -> None:
        if not kept or not kept[0].open:
            kept[:] = [_connected(url)]
        _count(kept[0], "book")

    return sell


def _deliver(url: str) -> None:
    with _connected(url) as connection:
        _count(connection, "pen")
        threading.Event().wait(HOLD)


def main() -> None:
    """Count pieces."""
    TwoWays("stock", "DATABASE_URL", (pymysql.MySQLError, OSError), _sell, _deliver, log_in).run()


if __name__ == "__main__":
    main()
