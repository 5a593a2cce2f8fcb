"""Between the operator and a real PostgreSQL: numbers its round trips, and strikes the ones it is told to.

Speaks as much of the protocol as it takes to see where a request and its answer end
(https://www.postgresql.org/docs/current/protocol-message-formats.html). Without TLS: it could not see otherwise.
"""

from __future__ import annotations

import asyncio
import re
from asyncio import StreamReader, StreamWriter
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress

from support.api_proxy import Fault
from support.listening import stop_listening

_SSL_REQUEST = 80877103
_ENDS_A_REQUEST = frozenset({b"", b"p", b"Q", b"S"})  # startup, password, simple query, sync
_ENDS_AN_ANSWER = frozenset({b"Z", b"R"})  # ready for query, authentication asks
_LEAVES = b"X"
_HEADER = 5
_OUTAGE = 5.0  # seconds for which a cut server cannot be reached


class PostgresProxy:
    """One operator's way to its backend. A round trip's name is its statement and how often it came before."""

    def __init__(self, port: int, kill: Callable[[], None]) -> None:
        self._server_port = port
        self._kill = kill
        self._server: asyncio.Server | None = None
        self._seen: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: dict[int, StreamWriter] = {}
        self._cut = False
        self.port = 0
        self.calls: list[str] = []
        self.strikes: dict[str, Fault] = {}
        self.struck: list[tuple[Fault, str]] = []

    async def start(self) -> None:
        """Listen on a free loopback port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """End every connection."""
        if self._server is not None:
            await stop_listening(self._server)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def new_run(self, strikes: dict[str, Fault] | None = None) -> None:
        """Count anew, and strike these."""
        self.calls, self.struck = [], []
        self._seen.clear()
        self.strikes = dict(strikes or {})

    def _named(self, batch: bytes, kind: bytes) -> str:
        label = _label(batch, kind)
        self._seen[label] += 1
        name = f"{label} #{self._seen[label]}"
        self.calls.append(name)
        return name

    # ------------------------------------------------------------------------------------------- connections

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers[id(writer)] = writer
        try:
            if self._cut:
                return
            below, above = await asyncio.open_connection("127.0.0.1", self._server_port)
            try:
                await self._join(reader, writer, below, above)
            finally:
                above.close()
        except OSError:
            pass
        finally:
            writer.transport.abort()
            self._tasks.discard(task)
            self._writers.pop(id(writer), None)

    async def _join(self, reader: StreamReader, writer: StreamWriter, below: StreamReader, above: StreamWriter) -> None:
        line = _Line(writer)
        answers = asyncio.create_task(line.carry(below))
        asks = asyncio.create_task(self._ask(reader, above, line))
        try:
            await asyncio.wait({answers, asks}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (answers, asks):
                task.cancel()
            await asyncio.gather(answers, asks, return_exceptions=True)

    async def _ask(self, reader: StreamReader, above: StreamWriter, line: _Line) -> None:
        batch = b""
        async for kind, message in _requests(reader, line):
            batch += message
            if kind not in _ENDS_A_REQUEST and kind != _LEAVES:
                continue
            if kind in _ENDS_A_REQUEST and not await self._let_through(batch, kind, above, line):
                return
            if kind == _LEAVES:
                above.write(batch)
            await above.drain()
            batch = b""

    async def _let_through(self, batch: bytes, kind: bytes, above: StreamWriter, line: _Line) -> bool:
        name = self._named(batch, kind)
        fault = self.strikes.get(name)
        if fault is None:
            above.write(batch)
            return True
        self.struck.append((fault, name))
        if fault in (Fault.KILL_AFTER, Fault.LOSE_ANSWER):
            line.hold()
            above.write(batch)
            with suppress(TimeoutError):
                await asyncio.wait_for(line.answered.wait(), 5)
        if fault in (Fault.KILL_BEFORE, Fault.KILL_AFTER):
            self._kill()
        if fault is Fault.CUT:
            self._cut = True
            asyncio.get_running_loop().call_later(_OUTAGE, self._mend)
            for writer in list(self._writers.values()):
                writer.transport.abort()
        return False

    def _mend(self) -> None:
        self._cut = False


class _Line:
    """The way back: carries answers, or holds them and says when one is whole."""

    def __init__(self, writer: StreamWriter) -> None:
        self._writer = writer
        self._holds = False
        self.answered = asyncio.Event()
        self.plain = True  # before the startup message one byte without a length answers the wish for TLS

    def hold(self) -> None:
        self._holds = True

    async def carry(self, below: StreamReader) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                if self.plain:
                    message = await below.readexactly(1)
                    self.plain = False
                else:
                    header = await below.readexactly(_HEADER)
                    message = header + await below.readexactly(int.from_bytes(header[1:], "big") - 4)
                if not self._holds:
                    self._writer.write(message)
                    await self._writer.drain()
                elif message[:1] in _ENDS_AN_ANSWER:
                    self.answered.set()
        self.answered.set()


async def _requests(reader: StreamReader, line: _Line) -> AsyncGenerator[tuple[bytes, bytes], None]:
    """(kind, whole message)."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        head = await reader.readexactly(8)
        if int.from_bytes(head[4:], "big") == _SSL_REQUEST:
            yield _LEAVES, head  # passed on, and not counted
            head = await reader.readexactly(8)
        else:
            line.plain = False
        yield b"", head + await reader.readexactly(int.from_bytes(head[:4], "big") - 8)
        while True:
            header = await reader.readexactly(_HEADER)
            yield header[:1], header + await reader.readexactly(int.from_bytes(header[1:], "big") - 4)


def _label(batch: bytes, kind: bytes) -> str:
    """The first words of the statement, without anything that changes from run to run. Never a parameter."""
    if kind == b"":
        found = re.search(rb"application_name\0keyturn/([a-z-]+)", batch)
        return f"login {found[1].decode() if found else ''}"
    if kind == b"p":
        return "password"
    start = batch.find(b"\0", _HEADER) + 1 if batch[:1] == b"P" else _HEADER
    statement = batch[start : batch.find(b"\0", start)].decode(errors="replace")
    return " ".join(re.split(r"[(',;]", statement)[0].split())[:60]
