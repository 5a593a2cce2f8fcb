"""Opens new logins at a steady pace with the credential its pod holds, and reports every outcome outside the pod.

A pod's log vanishes with the pod, so the counts go to a collector, each datagram with the sums so far. A report never
carries a credential's value, only the public name of the role.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import psycopg

PACE = float(os.environ.get("WITNESS_PACE", "0.18"))  # seconds from login to login: five and a half a second
STARTING_OR_STOPPING = ("the database system is starting up", "the database system is shutting down")


def role_of(url: str) -> str:
    """The public name of the role in a connection URL, `?` where there is none."""
    return urlsplit(url).username or "?"


def outcome_of(failure: psycopg.Error) -> str:
    """`refused` when the server answered and said no, `unreachable` when nobody could tell."""
    words = str(failure)
    answered = "FATAL:" in words and not any(phrase in words for phrase in STARTING_OR_STOPPING)
    return "refused" if answered else "unreachable"


def log_in_to_postgres(url: str, consumer: str) -> str:
    """One login: ``ok``, or why it was none."""
    try:
        psycopg.connect(url, connect_timeout=5, application_name=f"{consumer} witness").close()
    except psycopg.Error as failure:
        return outcome_of(failure)
    return "ok"


@dataclass(slots=True)
class Witness:
    """One thread of logins for one pod. `credential` returns the connection URL that the pod holds right now."""

    consumer: str
    credential: Callable[[], str]
    log_in: Callable[[str, str], str] = log_in_to_postgres  # with a URL, in the name of a consumer
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    counts: Counter[str] = field(default_factory=Counter[str])
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="witness", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the login under way, report, and end."""
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=8)

    def _run(self) -> None:
        host, _, port = self.environment["WITNESS_COLLECTOR"].rpartition(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.connect((socket.gethostbyname(host), int(port)))
            while not self._stop.is_set():
                began = time.monotonic()
                self._log_in_once()
                self._report(out)
                self._stop.wait(max(0.0, PACE - (time.monotonic() - began)))

    def _log_in_once(self) -> None:
        url = self.credential()
        self.counts[f"{role_of(url)} {self.log_in(url, self.consumer)}"] += 1

    def _report(self, out: socket.socket) -> None:
        words = {
            "pod": self.environment["POD_NAME"],
            "uid": self.environment["POD_UID"],
            "consumer": self.consumer,
            "counts": dict(self.counts),
        }
        try:
            out.send(json.dumps(words).encode())
        except OSError:
            return  # the next report carries the sums so far
