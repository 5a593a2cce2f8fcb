"""What every program of the shop has: a health page, an orderly end, and a witness. It knows no table."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType

import psycopg

from .witness import Witness, role_of

DRAIN = float(os.environ.get("DRAIN_SECONDS", "2"))  # serving goes on after the end was told: routes forget slowly
STALE = 5.0  # seconds without finished work after which a program calls itself unready


@dataclass(slots=True)
class Life:
    """The life of one program: `work` is called again and again until the pod is told to end."""

    name: str
    reload: Callable[[], None] | None = None  # reads the file again; called by whoever tells the program to
    broken: tuple[type[Exception], ...] = (psycopg.Error, OSError)  # a round of work may end so
    finished_work: float = 0.0
    _ending: threading.Event = field(default_factory=threading.Event)

    def run(
        self,
        work: Callable[[], None],
        credential: Callable[[], str] | None,
        *,
        every: float,
        witness: Witness | None = None,
    ) -> None:
        """Work every `every` seconds, with a witness beside it when the program logs in anywhere."""
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGHUP, self._told)
        self._serve_health()
        witness = Witness(self.name, credential) if credential else witness
        if witness:
            witness.start()
        while not self._ending.wait(every):
            self._work_once(work)
        drained = time.monotonic() + DRAIN
        while time.monotonic() < drained:
            self._work_once(work)
            threading.Event().wait(every)
        if witness:
            witness.stop()

    def _end(self, _signal: int, _frame: FrameType | None) -> None:
        self._ending.set()

    def _told(self, _signal: int, _frame: FrameType | None) -> None:
        print(f"{self.name}: told to reload by SIGHUP", file=sys.stderr, flush=True)
        if self.reload:
            self.reload()

    def _work_once(self, work: Callable[[], None]) -> None:
        try:
            work()
        except self.broken as failure:
            print(f"{self.name}: {type(failure).__name__}", file=sys.stderr, flush=True)
        else:
            self.finished_work = time.monotonic()

    def _serve_health(self) -> None:
        life = self

        class Health(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                """Ready while work was finished a moment ago."""
                fresh = time.monotonic() - life.finished_work < STALE
                self.send_response(HTTPStatus.OK if fresh else HTTPStatus.SERVICE_UNAVAILABLE)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
                """Say nothing."""

        server = ThreadingHTTPServer(("0.0.0.0", 8080), Health)  # noqa: S104 - a pod listens on its address
        threading.Thread(target=server.serve_forever, daemon=True).start()


def refuse_users_this_build_does_not_know(url: str) -> None:
    """Exit at once when the settings say that this program cannot work as that user.

    It stands for every program that hard-codes the name of its database user somewhere.
    """
    role = role_of(url)
    if role in os.environ.get("REFUSE_USERS", "").split(","):
        print(f"cannot start: no settings for database user {role}", file=sys.stderr, flush=True)
        sys.exit(1)
