"""The wire between a process and the API server, in a test's hand: cut, frozen, mended. It knows bytes only."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from support.kubectl import Kubectl
from support.listening import stop_listening


class Wire:
    """Passes connections on to one address. Frozen: they stay open, and nothing comes through."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._flows = asyncio.Event()
        self._flows.set()
        self._refuses = False
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    def cut(self) -> None:
        """Every connection ends, and new ones end at once."""
        self._refuses = True
        for writer in self._open:
            writer.transport.abort()

    def freeze(self) -> None:
        """Connections stay open, new ones are taken, and no byte arrives."""
        self._flows.clear()

    def mend(self) -> None:
        """As before. What was sent into a frozen wire arrives."""
        self._refuses = False
        self._flows.set()

    @property
    def connections(self) -> int:
        """Open now, counted once each."""
        return len(self._open) // 2

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it."""
        if self._refuses:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        ends = {writer, far_writer}
        self._open |= ends
        try:
            copies = [asyncio.ensure_future(self._copy(*way)) for way in ((reader, far_writer), (far_reader, writer))]
            self._tasks.update(copies)
            await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
            for copy in copies:
                copy.cancel()
            await asyncio.gather(*copies, return_exceptions=True)
            self._tasks.difference_update(copies)
        finally:
            self._open -= ends
            for end in ends:
                end.transport.abort()

    async def _passes(self, data: bytes) -> None:
        """Before each piece, in either direction."""

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                await self._flows.wait()
                await self._passes(data)
                writer.write(data)
                await writer.drain()
        except OSError:
            return


class TripWire(Wire):
    """Holds the one piece in which certain words come, and says so; everything else passes on."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self._words = b""
        self.tripped = asyncio.Event()
        self._let_go = asyncio.Event()

    def set(self, words: str) -> None:
        """From now on, the next time."""
        self._words = words.encode()
        self.tripped.clear()
        self._let_go.clear()

    def let_go(self) -> None:
        """What was held arrives now."""
        self._let_go.set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Listens on ``port`` while inside."""
        listener = await asyncio.start_server(self.take, "127.0.0.1", 0)
        self.port = listener.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            await stop_listening(listener)
            self.let_go()
            self.cut()
            await listener.wait_closed()

    async def _passes(self, data: bytes) -> None:
        if self._words and self._words in data:
            self._words = b""
            self.tripped.set()
            await self._let_go.wait()


@asynccontextmanager
async def wire_to_api(kubectl: Kubectl, folder: Path) -> AsyncIterator[tuple[Wire, Path]]:
    """A wire to the API server, and the kubeconfig that leads through it."""
    config = json.loads(kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
    server = urlsplit(config["clusters"][0]["cluster"]["server"])
    wire = Wire(server.hostname or "", server.port or 443)
    listener = await asyncio.start_server(wire.take, "127.0.0.1", 0)  # the API server's certificate names it
    wire.port = listener.sockets[0].getsockname()[1]
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{wire.port}"
    path = folder / f"kubeconfig-{wire.port}"
    path.write_text(json.dumps(config))
    try:
        yield wire, path
    finally:
        await stop_listening(listener)
        wire.mend()
        wire.cut()
        await listener.wait_closed()
