"""The probe's listeners: real sockets on the loopback, wound by hand."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from keyturn_probe.doors import Door, House, challenges, readiness

pytestmark = pytest.mark.enable_socket


class Home:
    """A house with one door on a free port."""

    def __init__(self) -> None:
        self.now = 0.0
        self.ready = False
        self.asked: list[bytes] = []
        self.said: list[str] = []
        self.reply: bytes | None = b"reply"
        self.doors = [Door(0, challenges(self._reply)), Door(0, readiness(lambda: self.ready))]
        self.house = House(self.doors, lambda: self.now, self.said.append)
        self.house.turn(0)

    def _reply(self, line: bytes) -> bytes | None:
        self.asked.append(line)
        return self.reply

    def guest(self, door: int) -> socket.socket:
        listening = self.doors[door].sock
        assert listening is not None
        sock = socket.create_connection(("127.0.0.1", listening.getsockname()[1]), timeout=5)
        self.house.turn(1)
        return sock

    def hear(self, sock: socket.socket) -> bytes:
        """All that comes until the end. The house turns until it has nothing more to do."""
        for _ in range(200):
            self.house.turn(0)
        pieces = iter(lambda: sock.recv(65536), b"")
        return b"".join(pieces)


@pytest.fixture
def home() -> Iterator[Home]:
    made = Home()
    yield made
    made.house.close()


def test_a_line_is_answered_and_the_connection_ends(home: Home) -> None:
    with home.guest(0) as sock:
        sock.sendall(b"question\n")
        home.house.turn(1)
        assert home.hear(sock) == b"reply"
    assert home.asked == [b"question\n"]


def test_a_line_in_pieces_is_answered_when_it_is_whole(home: Home) -> None:
    with home.guest(0) as sock:
        for piece in (b"ques", b"tion", b"\n"):
            sock.sendall(piece)
            home.house.turn(1)
        assert home.hear(sock) == b"reply"


def test_what_deserves_no_answer_ends_without_a_word(home: Home) -> None:
    home.reply = None
    with home.guest(0) as sock:
        sock.sendall(b"forged\n")
        home.house.turn(1)
        assert home.hear(sock) == b""


def test_an_endless_line_ends_the_connection(home: Home) -> None:
    with home.guest(0) as sock:
        sock.sendall(b"x" * 512)
        home.house.turn(1)
        assert home.hear(sock) == b""
    assert home.asked == []


def test_a_silent_guest_has_to_leave(home: Home) -> None:
    with home.guest(0) as sock:
        home.now += 3
        assert home.hear(sock) == b""


def test_a_crowd_of_silent_guests_shuts_nobody_out(home: Home) -> None:
    crowd = [home.guest(0) for _ in range(60)]
    with home.guest(0) as sock:
        sock.sendall(b"question\n")
        home.house.turn(1)
        assert home.hear(sock) == b"reply"
    for each in crowd:
        each.close()


def test_an_answer_that_nobody_takes_is_given_up(home: Home) -> None:
    home.reply = b"x" * 32 * 1024 * 1024
    with home.guest(0) as sock:
        sock.sendall(b"question\n")
        home.house.turn(1)
        home.now += 6
        assert len(home.hear(sock)) < len(home.reply)


def test_readiness_is_said_in_http(home: Home) -> None:
    for ready, status in ((False, b"503"), (True, b"200")):
        home.ready = ready
        with home.guest(1) as sock:
            sock.sendall(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n")
            home.house.turn(1)
            assert home.hear(sock).startswith(b"HTTP/1.1 " + status)


def test_a_port_that_is_taken_is_named_once_and_tried_again(home: Home) -> None:
    with socket.socket(socket.AF_INET6) as other:
        other.bind(("::", 0))
        other.listen()
        port = other.getsockname()[1]
        door = Door(port, readiness(lambda: True))
        house = House([door], lambda: 0.0, home.said.append)
        house.turn(0)
        house.turn(0)
        assert home.said == [f"port {port} is taken by another container of this pod"]
    house.turn(0)
    assert door.sock is not None
    house.close()
