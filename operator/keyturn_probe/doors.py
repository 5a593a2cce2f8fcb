"""The probe's two listeners and its only loop. Bounded in everything: connections, bytes, seconds, answers.

One thread over epoll: ``asyncio`` costs eleven megabytes, ``http.server`` eight, ``socket`` with ``selectors`` one
and a half (resident, measured), so the C halves are used directly.
"""

from __future__ import annotations

import os
import select
from _socket import (
    AF_INET,
    AF_INET6,
    IPPROTO_IPV6,
    IPV6_V6ONLY,
    SO_REUSEADDR,
    SOCK_CLOEXEC,
    SOCK_NONBLOCK,
    SOCK_STREAM,
    SOL_SOCKET,
    socket,
)

from keyturn_probe import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_CONNECTIONS = 24  # for each listener; the oldest gives way, so idle ones cannot shut anybody out
_READ_SECONDS = 2.0
_WRITE_SECONDS = 5.0
_LONGEST_REQUEST = 2048  # bytes of an HTTP request head that we care to see
_OPEN = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_SHUT = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class _Guest:
    """One connection."""

    __slots__ = ("door", "leaves_at", "line", "rest", "sock")

    def __init__(self, sock: socket, door: Door, leaves_at: float) -> None:
        self.sock = sock
        self.door = door
        self.leaves_at = leaves_at
        self.line = b""
        self.rest = b""  # of the answer, not yet sent


class Door:
    """A listener. ``answer`` is given what arrived: b"" asks for more, None ends the connection without a word."""

    def __init__(self, port: int, answer: Callable[[bytes], bytes | None]) -> None:
        self.port = port
        self.answer = answer
        self.sock: socket | None = None

    def listen(self) -> bool:
        """Open it, for IPv6 and IPv4. False when the port is taken: another container of the pod has it."""
        for family, address in ((AF_INET6, "::"), (AF_INET, "0.0.0.0")):  # noqa: S104  # the pod's own address
            sock = None
            try:
                sock = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC)
                sock.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
                if family == AF_INET6:
                    sock.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 0)
                sock.bind((address, self.port))
                sock.listen(_MOST_CONNECTIONS)
            except OSError:
                if sock is not None:
                    sock.close()
            else:
                self.sock = sock
                return True
        return False


def readiness(is_open: Callable[[], bool]) -> Callable[[bytes], bytes | None]:
    """The readiness door's answer: whatever is asked, 200 or 503."""

    def answer(request: bytes) -> bytes | None:
        if b"\r\n\r\n" in request or len(request) >= _LONGEST_REQUEST:
            return _OPEN if is_open() else _SHUT
        return b""

    return answer


def challenges(answer_to: Callable[[bytes], bytes | None]) -> Callable[[bytes], bytes | None]:
    """The challenge door's answer: one line, or the end."""

    def answer(line: bytes) -> bytes | None:
        if line.endswith(b"\n"):
            return answer_to(line)
        return b"" if len(line) < wire.LONGEST_LINE and b"\n" not in line else None

    return answer


class House:
    """All doors and guests, and what is done every so often. ``clock`` counts seconds and never goes back."""

    def __init__(self, doors: list[Door], clock: Callable[[], float], say: Callable[[str], None]) -> None:
        self._doors = doors
        self._clock = clock
        self._say = say
        self._epoll = select.epoll()
        self._listening: dict[int, Door] = {}
        self._guests: dict[int, _Guest] = {}
        self._closed: set[int] = set()  # ports that were said to be taken
        self._failures: set[str] = set()  # kinds of bugs that were said

    def turn(self, seconds: float) -> None:
        """Open what is still closed, serve whoever is there, waiting at most that long."""
        for door in self._doors:
            if door.sock is None:
                self._try(door)
        soonest = min((guest.leaves_at for guest in self._guests.values()), default=None)
        wait = seconds if soonest is None else max(0.0, min(seconds, soonest - self._clock()))
        for number, _ in self._epoll.poll(wait):
            if number in self._listening:
                self._welcome(self._listening[number])
            elif number in self._guests:
                self._serve(self._guests[number])
        now = self._clock()
        for guest in [guest for guest in self._guests.values() if guest.leaves_at <= now]:
            self._part(guest)

    def close(self) -> None:
        """End everything."""
        for guest in list(self._guests.values()):
            self._part(guest)
        for door in self._doors:
            if door.sock is not None:
                door.sock.close()
                door.sock = None
        self._listening.clear()
        self._epoll.close()

    def _try(self, door: Door) -> None:
        if door.listen() and door.sock is not None:
            self._listening[door.sock.fileno()] = door
            self._epoll.register(door.sock.fileno(), select.EPOLLIN)
        elif door.port not in self._closed:
            self._closed.add(door.port)
            self._say(f"port {door.port} is taken by another container of this pod")

    def _welcome(self, door: Door) -> None:
        if door.sock is None:
            return
        try:
            number = _accepted(door.sock)
        except OSError:  # gone again
            return
        sock = socket(fileno=number)
        os.set_blocking(number, False)
        theirs = [guest for guest in self._guests.values() if guest.door is door]
        if len(theirs) >= _MOST_CONNECTIONS:
            self._part(theirs[0])
        self._guests[number] = _Guest(sock, door, self._clock() + _READ_SECONDS)
        self._epoll.register(number, select.EPOLLIN)

    def _serve(self, guest: _Guest) -> None:
        try:
            if not guest.rest:
                self._hear(guest)
            if guest.rest:
                guest.rest = guest.rest[guest.sock.send(guest.rest) :]
                if not guest.rest:
                    self._part(guest)
        except BlockingIOError:
            return
        except OSError:
            self._part(guest)

    def _hear(self, guest: _Guest) -> None:
        heard = guest.sock.recv(_LONGEST_REQUEST)
        guest.line += heard
        answer = self._answer(guest) if heard else None
        if answer is None:
            self._part(guest)
        elif answer:
            guest.leaves_at = self._clock() + _WRITE_SECONDS
            guest.rest = answer
            self._epoll.modify(guest.sock.fileno(), select.EPOLLOUT)

    def _answer(self, guest: _Guest) -> bytes | None:
        """A bug of ours ends one connection, not the probe; its words may hold a value, so only its kind is said."""
        try:
            return guest.door.answer(guest.line)
        except Exception as failed:  # noqa: BLE001
            kind = type(failed).__name__
            if kind not in self._failures:
                self._failures.add(kind)
                self._say(f"could not answer: {kind}, a bug of the probe")
            return None

    def _part(self, guest: _Guest) -> None:
        number = guest.sock.fileno()
        if self._guests.pop(number, None) is not None:
            self._epoll.unregister(number)
            guest.sock.close()


def _accepted(sock: socket) -> int:
    """The new connection's descriptor: ``_accept`` is what ``socket.accept`` wraps, unknown to the type stubs."""
    accept: Callable[[], tuple[int, object]] = getattr(sock, "_accept")  # noqa: B009
    return accept()[0]
