"""The probe as a process of its own while strangers flood its port: it answers whom it must, and stays small."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from keyturn_probe import wire
from keyturn_probe.answer import Answerer
from keyturn_probe.look import Watch
from support.kubectl import SystemClock
from support.pod_inside import KEY, POD, Folder, Tree

OPERATOR = str(Path(__file__).parents[3] / "operator")
PLAN = "0123456789"
TRIES = 2  # as many as the operator makes
FORGED = wire.challenge_line(b"x" * 32, wire.Challenge(PLAN, "ab" * 16, 4, POD, 1_900_000_000))
NOISE = {
    "forged challenges": FORGED,
    "endless lines": b"x" * 100_000,
    "silence": b"",
    "half a challenge": FORGED[:100],
}


@contextmanager
def probe(tree: Tree, folder: Folder, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The whole program; only ``/proc`` is made up, for that of a busy machine is none of a pod's."""
    folder.plan()
    tree.add(7, env={"URL": "value"})
    code = (
        f"import sys; sys.path.insert(0, {OPERATOR!r})\n"
        "from keyturn_probe import main\n"
        f"real = main.Proc; main.Proc = lambda _, *rest: real({str(tree.root)!r}, *rest)\n"
        f"main.FOLDER = {str(folder.root)!r}; main.main()"
    )
    environ = os.environ | {
        "KEYTURN_WATCH": f"plan {PLAN} orders-db",
        "KEYTURN_PORTS": f"{port} 0",
        "KEYTURN_POD_UID": POD,
    }
    command = [sys.executable, "-I", "-S", "-c", code]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environ) as child:
        try:
            while not listening(port):
                assert child.poll() is None, "the probe did not start"
            yield child
        finally:
            child.kill()


def listening(port: int) -> bool:
    with socket.socket() as door:
        return door.connect_ex(("127.0.0.1", port)) == 0


def asked(port: int, number: int) -> bool:
    """Is one right challenge answered in as many tries as the operator makes?"""
    expires = int(SystemClock().now().timestamp()) + 30
    for attempt in range(TRIES):
        challenge = wire.Challenge(PLAN, f"{number:028x}{attempt:04x}", 4, POD, expires)
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2) as guest:
            guest.sendall(wire.challenge_line(KEY, challenge))
            header, _, body = b"".join(iter(lambda: guest.recv(65536), b"")).partition(b"\n")
            if header:
                wire.open_answer(KEY, challenge, header, body)
                return True
    return False


def crowd(port: int, noise: bytes, stop: threading.Event, came: list[int]) -> None:
    """Comes again and again, and keeps a hundred connections open."""
    guests: list[socket.socket] = []
    while not stop.is_set():
        with suppress(OSError):
            guest = socket.create_connection(("127.0.0.1", port), timeout=1)
            guest.settimeout(0)
            guests.append(guest)
            came[0] += 1
            guest.send(noise)
        while len(guests) > 100:
            guests.pop(0).close()
    for guest in guests:
        guest.close()


def resident(child: subprocess.Popen[bytes]) -> int:
    """Its peak, in kilobytes."""
    status = Path(f"/proc/{child.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


@pytest.mark.enable_socket
@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE)
def test_a_flood_neither_shuts_the_operator_out_nor_makes_the_probe_grow(
    tree: Tree, folder: Folder, unused_tcp_port: int, noise: bytes
) -> None:
    with probe(tree, folder, unused_tcp_port) as child:
        assert asked(unused_tcp_port, 0)
        before, stop, came = resident(child), threading.Event(), [0]
        flood = threading.Thread(target=crowd, args=(unused_tcp_port, noise, stop, came))
        flood.start()
        answered = [asked(unused_tcp_port, number) for number in range(1, 11)]
        stop.set()
        flood.join()
        assert all(answered), answered
        assert came[0] >= 20, "that was no flood"
        assert resident(child) - before < 1024
        assert child.poll() is None


def test_nothing_is_looked_at_for_whoever_has_no_key(
    tree: Tree, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The MAC comes first: a stranger's line costs one hash, however often it comes."""
    plan = folder.plan(Watch("app", "url", wire.ENV, "URL"))
    answerer = Answerer([plan], tree.proc, POD, lambda: 1_900_000_000, lambda: 0.0)
    looked: list[str] = []

    def noted(what: str) -> Callable[..., None]:
        return lambda *_: looked.append(what)

    for name in ("processes", "environment", "file", "connections"):
        monkeypatch.setattr(tree.proc, name, noted(name))
    elsewhere = wire.challenge_line(KEY, wire.Challenge(plan.id, "ab" * 16, 4, "another-pod", 1_900_000_000))
    for line in (FORGED, elsewhere, b"\n", b"KT1\n", FORGED.replace(b"KT1", b"KT2")):
        for _ in range(500):
            answerer.answer(line)
    assert looked == []
    right = wire.challenge_line(KEY, wire.Challenge(plan.id, "cd" * 16, 4, POD, 1_900_000_000))
    with suppress(TypeError):  # nothing comes back from what only notes
        answerer.answer(right)
    assert looked, "else this test could not fail"
