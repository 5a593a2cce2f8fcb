"""Between the operator and a real backend: names its calls, and strikes the ones it is told to.

It knows no protocol. A ``Speech`` tells it where a request and an answer end, and what a request is called.

    operator ── request ──▶  named, counted, struck or passed on  ──▶ server
             ◀── answer ───  carried, or held until it is whole   ◀──
"""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Protocol

from support.api_proxy import Fault
from support.listening import stop_listening

_OUTAGE = 5.0  # seconds for which a cut backend cannot be reached
_ANSWER = 5.0  # seconds that a server is given before the operator dies of what it was asked


class Speech(Protocol):
    """One connection's protocol, without TLS: nobody could see where anything ends otherwise."""

    def requests(self, reader: StreamReader) -> AsyncGenerator[tuple[bytes, str]]:
        """Whole requests and what each is called, never with a parameter; "" is passed on and not counted."""
        ...

    def answers(self, reader: StreamReader) -> AsyncGenerator[tuple[bytes, bool]]:
        """Pieces of answers, and whether one is whole with that piece."""
        ...


class BackendProxy:
    """One operator's way to its backend, a door a server. A call's name is its kind and how often it came before."""

    def __init__(self, doors: Mapping[str, int], speech: Callable[[], Speech], kill: Callable[[], None]) -> None:
        self._doors = doors  # what is added to the names of its calls -> the server's port
        self._speech = speech
        self._kill = kill
        self._servers: list[asyncio.Server] = []
        self._seen: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: dict[int, StreamWriter] = {}
        self._cut = False
        self.ports: dict[str, int] = {}
        self.calls: list[str] = []
        self.strikes: dict[str, Fault] = {}
        self.struck: list[tuple[Fault, str]] = []

    async def start(self) -> None:
        """Listen on free loopback ports."""
        for door in self._doors:
            server = await asyncio.start_server(self._served_at(door), "127.0.0.1", 0)
            self._servers.append(server)
            self.ports[door] = server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """End every connection."""
        for server in self._servers:
            await stop_listening(server)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def new_run(self, strikes: dict[str, Fault] | None = None) -> None:
        """Count anew, and strike these."""
        self.calls, self.struck = [], []
        self._seen.clear()
        self.strikes = dict(strikes or {})

    def _named(self, label: str) -> str:
        self._seen[label] += 1
        name = f"{label} #{self._seen[label]}"
        self.calls.append(name)
        return name

    # ------------------------------------------------------------------------------------------- connections

    def _served_at(self, door: str) -> Callable[[StreamReader, StreamWriter], Awaitable[None]]:
        async def serve(reader: StreamReader, writer: StreamWriter) -> None:
            await self._serve(door, reader, writer)

        return serve

    async def _serve(self, door: str, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers[id(writer)] = writer
        try:
            if self._cut:
                return
            below, above = await asyncio.open_connection("127.0.0.1", self._doors[door])
            try:
                await self._join(door, (reader, writer), (below, above))
            finally:
                above.close()
        except OSError:
            pass
        finally:
            writer.transport.abort()
            self._tasks.discard(task)
            self._writers.pop(id(writer), None)

    async def _join(
        self, door: str, operator: tuple[StreamReader, StreamWriter], server: tuple[StreamReader, StreamWriter]
    ) -> None:
        speech, line = self._speech(), _Line(operator[1])
        answers = asyncio.create_task(line.carry(speech.answers(server[0])))
        asks = asyncio.create_task(self._ask(door, speech.requests(operator[0]), server[1], line))
        try:
            await asyncio.wait({answers, asks}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (answers, asks):
                task.cancel()
            await asyncio.gather(answers, asks, return_exceptions=True)

    async def _ask(
        self, door: str, requests: AsyncGenerator[tuple[bytes, str]], above: StreamWriter, line: _Line
    ) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            async for request, label in requests:
                if label and not await self._let_through(request, f"{label}{door}", above, line):
                    return
                if not label:
                    above.write(request)
                await above.drain()

    async def _let_through(self, request: bytes, label: str, above: StreamWriter, line: _Line) -> bool:
        name = self._named(label)
        fault = self.strikes.get(name)
        if fault is None:
            above.write(request)
            return True
        self.struck.append((fault, name))
        if fault in (Fault.KILL_AFTER, Fault.LOSE_ANSWER):
            line.hold()
            above.write(request)
            with suppress(TimeoutError):
                await asyncio.wait_for(line.answered.wait(), _ANSWER)
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

    def hold(self) -> None:
        self._holds = True

    async def carry(self, answers: AsyncGenerator[tuple[bytes, bool]]) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            async for piece, whole in answers:
                if not self._holds:
                    self._writer.write(piece)
                    await self._writer.drain()
                elif whole:
                    self.answered.set()
        self.answered.set()
