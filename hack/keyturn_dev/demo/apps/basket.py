"""basket: keeps baskets in Redis, either with the URL from its environment or with the mounted file, read each time."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from .life import Life
from .witness import Witness

FILE = Path("/etc/basket/REDIS_URL")
HOLD = 1.2  # seconds a connection is kept, long enough for somebody who looks to see it


def _client(url: str) -> redis.Redis:
    once = Retry(NoBackoff(), 0)
    return redis.Redis.from_url(url, retry=once, socket_timeout=5, protocol=2)  # pyright: ignore[reportUnknownMemberType]


def log_in(url: str, _name: str) -> str:
    """One login of the witness: ``ok``, ``refused`` when the server said no, ``unreachable`` when nobody could tell."""
    try:
        with _client(url) as client:
            client.ping()  # pyright: ignore[reportUnknownMemberType]
    except redis.AuthenticationError:
        return "refused"
    except (redis.RedisError, OSError):
        return "unreachable"
    return "ok"


def main() -> None:
    """Fill baskets, in one of two ways."""
    fixed = os.environ.get("REDIS_URL")
    name = "basket-web" if fixed else "basket-worker"

    def credential() -> str:
        return fixed or FILE.read_text().strip()

    work = _with_a_pool(fixed) if fixed else _with_a_connection_each(credential)
    witness = Witness(name, credential, log_in=log_in)
    Life(name, broken=(redis.RedisError, OSError)).run(work, None, every=0.2, witness=witness)


def _with_a_pool(url: str) -> Callable[[], None]:
    pool = _client(url)

    def fill() -> None:
        pool.incr("basket:filled")

    return fill


def _with_a_connection_each(credential: Callable[[], str]) -> Callable[[], None]:
    def pack() -> None:
        with _client(credential()) as client:
            client.incr("basket:packed")
            threading.Event().wait(HOLD)

    return pack


if __name__ == "__main__":
    main()
