"""What the probe does for the operator besides looking: asks the app which credential it uses, or tells it to reload.

Only to this pod: the loopback address, and signals that no app takes for its end unless it never declared otherwise.
Bounded: half a second, eight kibibytes; a reload is done once for a generation, and only after every file shows it.
"""

from __future__ import annotations

import os
from _socket import AF_INET, AF_INET6, SOCK_CLOEXEC, SOCK_STREAM, socket

from keyturn_probe import wire
from keyturn_probe.look import Look

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from keyturn_probe.plans import Plan
    from keyturn_probe.proc import Proc

SECONDS = 0.5  # for one request to the app, all of it
_PAUSE = 5.0  # seconds between two tries of a reload that failed
_LONGEST_REPLY = 8192  # bytes
_LARGEST_PORT = 65535
_MOST_KEYS = 16
_SIGNALS = {"SIGHUP": 1, "SIGUSR1": 10, "SIGUSR2": 12}  # the same on every Linux that we build for
_HEX = frozenset("0123456789abcdef")


class Errands:
    """Remembers which generation each plan's app was told of. ``clock`` counts seconds and never goes back."""

    def __init__(self, proc: Proc, clock: Callable[[], float]) -> None:
        self._proc = proc
        self._clock = clock
        self._told: dict[str, int] = {}  # plan -> the newest generation that its app was told of
        self._notes: dict[str, tuple[str, str]] = {}  # plan -> how the last reload went
        self._again: dict[str, float] = {}  # plan -> not before

    def note(self, plan: str) -> tuple[str, str] | None:
        """How the last reload went, if there was one that is not done."""
        return self._notes.get(plan)

    def reload(self, plan: Plan, key: bytes, challenge: wire.Challenge) -> None:
        """Tell the app, if its files are of the challenge's generation and it was not told of that one yet."""
        if challenge.generation <= self._told.get(plan.id, -1) or self._clock() < self._again.get(plan.id, 0.0):
            return
        code, detail = _ready(plan, key, challenge.generation, Look(self._proc)) or self._tell(challenge.errand)
        if code == wire.DONE:
            self._told[plan.id] = challenge.generation
            self._notes.pop(plan.id, None)
        else:
            self._notes[plan.id] = code, detail
            if code != wire.WAITING:
                self._again[plan.id] = self._clock() + _PAUSE

    def report(self, challenge: wire.Challenge) -> Iterator[tuple[str, str]]:
        """(Secret key, what the app says of it), or ("", why it says nothing)."""
        status, body = self._post(challenge.errand, challenge.question())
        if status != "200":
            yield "", status
            return
        pairs = [line.split() for line in body.decode("ascii", "replace").splitlines()[:_MOST_KEYS]]
        good = [(pair[0], pair[1]) for pair in pairs if len(pair) == 2 and len(pair[1]) == 64 and set(pair[1]) <= _HEX]
        yield from good or [("", wire.GARBLED)]

    def _tell(self, errand: tuple[str, ...]) -> tuple[str, str]:
        if errand[0] == wire.SIGNAL:
            return self._signal(errand[1], errand[2])
        status, _ = self._post(errand, b"")
        return (wire.DONE, "") if status[:1] == "2" else (wire.REFUSED, status)

    def _signal(self, name: str, container: str) -> tuple[str, str]:
        """To the container's first process, as an init system would: its children are its own business."""
        theirs = [process for process in Look(self._proc).processes if process.container == container]
        first = min(theirs, key=lambda process: (process.started, int(process.pid)), default=None)
        if first is None or name not in _SIGNALS or not self._proc.still(first):
            return wire.REFUSED, wire.NO_PROCESS
        try:
            os.kill(int(first.pid), _SIGNALS[name])
        except OSError:
            return wire.REFUSED, wire.DENIED
        return wire.DONE, ""

    def _post(self, errand: tuple[str, ...], body: bytes) -> tuple[str, bytes]:
        """(Status code, body); (``silent``, b"") when nobody answers as HTTP servers do."""
        if not errand[1].isdigit() or int(errand[1]) > _LARGEST_PORT or not _plain(errand[2]):
            return wire.SILENT, b""
        head = f"POST {errand[2]} HTTP/1.0\r\nHost: localhost\r\nContent-Type: text/plain\r\n"
        request = head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
        ends = self._clock() + SECONDS
        for family, address in ((AF_INET, "127.0.0.1"), (AF_INET6, "::1")):
            reply = self._exchange(family, (address, int(errand[1])), request, ends)
            words = reply.split(None, 2)
            if len(words) > 1 and words[0].startswith(b"HTTP/1.") and words[1].isdigit():
                return words[1].decode()[:3], reply.partition(b"\r\n\r\n")[2]
        return wire.SILENT, b""

    def _exchange(self, family: int, address: tuple[str, int], request: bytes, ends: float) -> bytes:
        reply = b""
        sock: socket | None = None
        try:
            sock = socket(family, SOCK_STREAM | SOCK_CLOEXEC)
            sock.settimeout(max(0.01, ends - self._clock()))
            sock.connect(address)
            sock.sendall(request)
            while len(reply) < _LONGEST_REPLY and not _whole(reply) and self._clock() < ends:
                sock.settimeout(max(0.01, ends - self._clock()))
                piece = sock.recv(_LONGEST_REPLY)
                if not piece:
                    break
                reply += piece
        except OSError:
            return reply  # what came before it broke off counts: a server that reloads may drop its connections
        finally:
            if sock is not None:
                sock.close()
        return reply


def _plain(path: str) -> bool:
    """Nothing that could be taken for more than a path."""
    return path.startswith("/") and path.isascii() and path.isprintable() and " " not in path


def _whole(reply: bytes) -> bool:
    """Is as much there as the head says?"""
    head, blank, body = reply.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        name, _, length = line.partition(b":")
        if name == b"content-length" and length.strip().isdigit():
            return bool(blank) and len(body) >= int(length)
    return False


def _ready(plan: Plan, key: bytes, generation: int, look: Look) -> tuple[str, str] | None:
    """None when every file of the plan holds a value of this generation, else why that cannot be said."""
    try:
        accepted = plan.accepted()
    except wire.Malformed:
        accepted = None
    files = [watch for watch in plan.watches if watch.way == wire.FILE]
    judged = set[str]() if accepted is None else {of for rows in accepted.known.values() for _, of, _ in rows}
    seen = False
    for finding in look.findings(watch for watch in files if watch.key in judged):
        if finding.kind != wire.MOUNTED:
            continue
        if accepted is None or finding.value is None:
            return wire.WAITING, finding.code
        rows = accepted.known.get(wire.accept_mark(key, finding.value), ())
        if (generation, finding.key) not in {(one, of) for one, of, _ in rows}:
            return wire.WAITING, wire.OLDER
        seen = True
    return None if seen else (wire.WAITING, wire.MISSING)
