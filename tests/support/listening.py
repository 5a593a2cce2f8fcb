"""How a listener of the tests stops without losing a connection that it has just taken.

loop's pass 1   a connection is accepted; its transport is to be made in the next pass
close() here    leaves that connection's socket to nobody: https://github.com/python/cpython/issues/109564
loop's pass 2   ... so we take no more, let that transport be made, and close then
"""

from __future__ import annotations

import asyncio

_PASSES = 3  # the transport is made, it tells its protocol, the protocol's own task begins


async def stop_listening(server: asyncio.Server) -> None:
    """Take no more connections. The ones there are stay open, and each has its task."""
    if not server.is_serving():
        server.close()
        return
    loop = server.get_loop()
    for listener in server.sockets:
        loop.remove_reader(listener.fileno())
    for _ in range(_PASSES):
        await asyncio.sleep(0)
    server.close()
