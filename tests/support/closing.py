"""Before a test's loop ends, what was closed has left it: a TLS connection says goodbye first, and is answered."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

_SECONDS = 3.0  # what is open even then was forgotten, and the next collection of garbage complains of it


async def all_closed() -> None:
    """Wait until no connection is open in this loop."""
    until = time.monotonic() + _SECONDS
    while _open() and time.monotonic() < until:  # noqa: ASYNC110 - a transport tells nobody when it is closed
        await asyncio.sleep(0.01)


def _open() -> bool:
    known = cast("Any", asyncio.get_running_loop())._transports  # asyncio tells nobody what is open
    return any(transport.get_extra_info("socket").fileno() >= 0 for transport in list(known.values()))
