"""orders-cache: reads the mounted file once, at start. A new file changes nothing for it: it needs a restart.

Or to be told: `POST /-/reload` on its loopback address makes it read the file again, and `POST /-/credential` is
answered with a proof of the value that it uses (docs/reported-evidence.md). The demo's plan does not say so, and
restarts it.
"""

from __future__ import annotations

import hmac
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg
from psycopg_pool import ConnectionPool

from .life import Life

FILE = Path("/etc/orders-db/DATABASE_URL")
DOOR = 8081
KEY = "DATABASE_URL"


class Cache:
    """The newest order, looked up through a pool that is replaced when the program is told to reload."""

    def __init__(self) -> None:
        self.url = FILE.read_text()
        self.pool = _connected(self.url)

    def reload(self) -> None:
        """Read the file again, connect, and only then let the former connections go."""
        url = FILE.read_text()
        pool = _connected(url)
        pool.wait(3)
        former, self.url, self.pool = self.pool, url, pool
        former.close()

    def credential(self) -> str:
        """What it logs in with."""
        return self.url.strip()

    def look_up(self) -> None:
        """One round of work."""
        with self.pool.connection() as connection:
            connection.execute("SELECT * FROM orders.orders ORDER BY id DESC LIMIT 1")


def _connected(url: str) -> ConnectionPool:
    kwargs = {"application_name": "orders-cache"}
    return ConnectionPool(url.strip(), min_size=2, max_size=2, kwargs=kwargs, timeout=3, open=True)


def main() -> None:
    """Keep the newest order in memory."""
    cache = Cache()
    _open_door(cache)
    Life("orders-cache", cache.reload).run(cache.look_up, cache.credential, every=0.4)


def _open_door(cache: Cache) -> None:
    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Reload, or say what is used."""
            question = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                if self.path == "/-/reload":
                    cache.reload()
            except (psycopg.Error, OSError):
                self.send_response(HTTPStatus.SERVICE_UNAVAILABLE)
                self.end_headers()
                return
            mac = hmac.new(cache.url.encode(), question, "sha256").hexdigest()
            self.send_response(HTTPStatus.OK)
            self.end_headers()
            self.wfile.write(f"{KEY} {mac}\n".encode() if self.path == "/-/credential" else b"")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", DOOR), Door)
    threading.Thread(target=server.serve_forever, daemon=True).start()


if __name__ == "__main__":
    main()
