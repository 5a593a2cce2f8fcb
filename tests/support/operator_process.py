"""``keyturn operator`` as a process of its own, started again whenever it dies, as the kubelet would."""

from __future__ import annotations

import asyncio
import atexit
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

KEYTURN = (str(Path(sys.executable).parent / "keyturn"),)
_PATIENCE = 15.0  # seconds for it to end by itself when asked


class OperatorProcess:
    """One replica. ``bury`` is called after each death, before the next start."""

    def __init__(
        self, program: Sequence[str], arguments: Sequence[str], log: Path, bury: Callable[[], Awaitable[None]]
    ) -> None:
        self._command = (*program, "operator", *arguments)
        self.log = log
        self._bury = bury
        self._process: Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._ends = False
        self._killed = False
        self.deaths = 0
        self.fell: list[int] = []  # exit statuses of ends that nobody asked for

    def start(self) -> None:
        """Run it from now on, and no longer than this process."""
        atexit.register(self.kill)
        self._keeper = asyncio.create_task(self._keep())

    def kill(self) -> None:
        """SIGKILL, now."""
        if self._process is not None and self._process.returncode is None and not self._killed:
            self._killed = True
            os.kill(self._process.pid, signal.SIGKILL)

    async def stop(self) -> None:
        """Ask it to end, and see that it does."""
        self._ends = True
        atexit.unregister(self.kill)
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), _PATIENCE)
            if self._process.returncode is None:
                self._process.kill()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)

    def log_text(self) -> str:
        """Everything all its lives wrote."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    async def _keep(self) -> None:
        while not self._ends:
            self._killed = False
            with self.log.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command,
                    stdout=log,
                    stderr=log,
                    stdin=asyncio.subprocess.DEVNULL,
                )
            status = await self._process.wait()
            if self._ends:
                return
            self.deaths += 1
            if not self._killed:
                self.fell.append(status)
            await self._bury()
