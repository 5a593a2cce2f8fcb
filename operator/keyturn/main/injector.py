"""``keyturn injector``: starts the webhook. Imports nothing that only the operator needs: that is a third of it."""

from __future__ import annotations

import asyncio
import signal

from keyturn.injector.server import Settings, serve


async def inject(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    serving = asyncio.ensure_future(serve(settings))
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, serving.cancel)
    await asyncio.wait({serving})
    if not serving.cancelled():
        serving.result()
