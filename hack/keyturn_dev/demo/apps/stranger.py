"""A program nobody declared: it holds one connection open with a URL it was given by hand, until it is ended."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

import psycopg


def main() -> None:
    """Hold the connection."""
    ending = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        ending.set()

    signal.signal(signal.SIGTERM, end)
    with psycopg.connect(os.environ["REPORT_URL"], application_name="night-report") as connection:
        connection.execute("SELECT count(*) FROM orders.orders")
        ending.wait()


if __name__ == "__main__":
    main()
