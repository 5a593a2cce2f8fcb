"""A pod without a container: a loopback address of its own, the real probe's code, and a client that never stops.

What it shows is real where Keyturn looks: sessions at the backend come from the pod's address and stand in the kernel's
table, the probe's answers come from the probe's own modules over a made-up ``/proc``. The app reads its credential
once, when it starts.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from keyturn_probe.answer import Answerer
from keyturn_probe.doors import challenges
from keyturn_probe.gate import Gate
from keyturn_probe.plans import plans_of
from keyturn_probe.proc import Proc
from support.furniture import VARIABLE
from support.listening import stop_listening
from support.pod_inside import BOOT, TICKS, Tree
from support.ware import Failed, Session, Ware

_LOGIN_EVERY = 0.4  # seconds
_LOOK_EVERY = 0.2
_FORWARD_PORT = 5432
_ESTABLISHED_TABLES = {"tcp"}


@dataclass
class Witness:
    """What the clients of all pods saw, ever."""

    logins: int = 0
    failed: list[str] = field(default_factory=list[str])
    cut: list[str] = field(default_factory=list[str])  # sessions that ended under a living pod


class _ProcAt(Proc):
    """A made-up process tree, and of the machine's real connections those of one address."""

    def __init__(self, root: str, pod_uid: str, address: str) -> None:
        super().__init__(root, pod_uid, lambda: BOOT, TICKS, "999")
        self._address = "".join(f"{int(part):02X}" for part in reversed(address.split(".")))

    def _table(self, name: str) -> Iterator[str]:
        if name not in _ESTABLISHED_TABLES:
            return
        with Path("/proc/net/tcp").open(encoding="ascii") as source:
            yield from (line for line in source if line.split()[1].startswith(self._address))


class HollowPod:
    """One pod's inside. ``environment`` is resolved already; ``probe`` is its sidecar's environment, if it has one."""

    def __init__(
        self,
        uid: str,
        name: str,
        address: str,
        environment: Mapping[str, str],
        probe: Mapping[str, str],
        *,
        home: Path,
        ware: Ware,
        witness: Witness,
    ) -> None:
        self.uid, self.name, self.address = uid, name, address
        self._home, self._ware, self._witness = home / uid, ware, witness
        self._login = urlsplit(environment[VARIABLE])
        tree = Tree(self._home / "proc", uid)
        tree.add(10, env=dict(environment))
        self.folder = self._home / "plans"
        self.folder.mkdir()
        plans = plans_of(probe, str(self.folder))
        self.plans = [plan.id for plan in plans]
        self.mounts: dict[str, str] = {}  # plan -> its probe Secret
        proc = _ProcAt(str(self._home / "proc"), uid, address)
        self._gate = Gate(plans, proc, str(self._home / "latch"), time.monotonic, lambda _: None)
        self._hear = challenges(Answerer(plans, proc, uid, _wall, time.monotonic).answer)
        self._servers: list[asyncio.Server] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._pipes: set[asyncio.Task[None]] = set()
        self._held: Session | None = None

    @property
    def ready(self) -> bool:
        """The app serves, and the probe's gate is open."""
        return self._gate.open and self._held is not None

    def mount(self, plan: str, data: Mapping[str, bytes]) -> None:
        """A version of a plan's probe Secret, as the kubelet would swap it in."""
        where = self.folder / plan
        where.mkdir(exist_ok=True)
        for gone in {path.name for path in where.iterdir()} - data.keys():
            (where / gone).unlink()
        for name, value in data.items():
            fresh = self._home / "fresh"
            fresh.write_bytes(value)
            fresh.rename(where / name)

    async def start(self, probe_port: int) -> None:
        """Listen and begin to log in."""
        for serve, port in ((self._forward, _FORWARD_PORT), (self._answer, probe_port)):
            listener = socket.create_server((self.address, port))
            server = await asyncio.start_server(serve, sock=listener, start_serving=False)  # suspends nowhere
            self._servers.append(server)  # a pod may be told to end while it starts: then ``stop`` finds it
            await server.start_serving()
        self._tasks = [asyncio.create_task(self._live()), asyncio.create_task(self._watch_gate())]

    async def stop(self) -> None:
        """The last process ends."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._held is not None:
            await self._held.close()
        for server in self._servers:
            await stop_listening(server)
        for pipe in list(self._pipes):
            pipe.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)
        shutil.rmtree(self._home, ignore_errors=True)

    # ----------------------------------------------------------------------------------------------- the app

    async def _live(self) -> None:
        while True:
            if self._held is None:
                self._held = await self._log_in()
            else:
                await self._use(self._held)
                fresh = await self._log_in()
                if fresh is not None:
                    await fresh.close()
            await asyncio.sleep(_LOGIN_EVERY)

    async def _use(self, held: Session) -> None:
        try:
            await held.use()
        except Failed as why:
            self._witness.cut.append(f"{self.name} as {self._login.username}: {why}")
            await held.close()
            self._held = None

    async def _log_in(self) -> Session | None:
        self._witness.logins += 1
        try:
            return await self._ware.log_in(self.address, _FORWARD_PORT, self._login)
        except Failed as why:
            self._witness.failed.append(f"{self.name} as {self._login.username}: {why}")
            return None

    async def _forward(self, reader: StreamReader, writer: StreamWriter) -> None:
        """To the server, from this pod's own address."""
        await self._piped(self._both_ways(reader, writer))

    async def _both_ways(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            below, above = await asyncio.open_connection("127.0.0.1", self._ware.port, local_addr=(self.address, 0))
            ways = [asyncio.create_task(_pump(reader, above)), asyncio.create_task(_pump(below, writer))]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                above.close()  # before anything is awaited: the pod may stop while this ends by itself
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        except OSError:
            return
        finally:
            writer.close()

    async def _piped(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._pipes.add(task)
        with suppress(asyncio.CancelledError):
            await task
        self._pipes.discard(task)

    # --------------------------------------------------------------------------------------------- the probe

    async def _watch_gate(self) -> None:
        while not self._gate.open:
            self._gate.look()
            await asyncio.sleep(_LOOK_EVERY)

    async def _answer(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            with suppress(ConnectionError, TimeoutError, ValueError):
                answer = self._hear(await asyncio.wait_for(reader.readline(), 2))
                if answer:
                    writer.write(answer)
                    await writer.drain()
        finally:
            writer.close()


async def _pump(source: StreamReader, sink: StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()


def _wall() -> float:
    return time.clock_gettime(time.CLOCK_REALTIME)
