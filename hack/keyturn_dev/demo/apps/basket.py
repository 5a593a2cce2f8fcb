"""basket: keeps baskets in Redis."""

from __future__ import annotations

import threading
from collections.abc import Callable

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from .two_ways import HOLD, TwoWays


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


def _fill(url: str) -> Callable[[], None]:
    pool = _client(url)

    def fill() -> None:
        pool.incr("basket:filled")

    return fill


def _pack(url: str) -> None:
    with _client(url) as client:
        client.incr("basket:packed")
        threading.Event().wait(HOLD)


def main() -> None:
    """Fill baskets."""
    TwoWays("basket", "REDIS_URL", (redis.RedisError, OSError), _fill, _pack, log_in).run()


if __name__ == "__main__":
    main()
