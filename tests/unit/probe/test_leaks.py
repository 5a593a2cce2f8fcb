"""Whatever fails in the probe, no value that it has seen is said, and it serves on."""

from __future__ import annotations

import base64
import inspect
import signal
import socket
import subprocess
import sys
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import pytest

from keyturn_probe import answer, doors, errands, gate, look, main, plans, proc, wire
from keyturn_probe.answer import Answerer
from keyturn_probe.doors import Door, House, challenges
from keyturn_probe.gate import PATIENCE, Gate
from keyturn_probe.look import Watch
from support.pod_inside import KEY, POD, Folder, Tree

NOW = 1_900_000_000
CANARY = "canary/p+ss w%rd-7f3a"
URL = Watch("app", "url", wire.ENV, "URL")
FILE = Watch("app", "url", wire.FILE, "/etc/db/url")
OPERATOR = str(Path(__file__).parents[3] / "operator")


def forms(value: str) -> set[str]:
    """A value as it may stand in what somebody prints."""
    plain = value.encode()
    return {value, repr(value)[1:-1], base64.b64encode(plain).decode(), plain.hex(), urllib.parse.quote(value, safe="")}


def functions(*modules: ModuleType) -> Iterator[tuple[object, str]]:
    """Every function and method that these modules define, as (holder, name)."""
    for module in modules:
        for name, found in vars(module).items():
            if inspect.isfunction(found) and found.__module__ == module.__name__:
                yield module, name
            if inspect.isclass(found) and found.__module__ == module.__name__:
                yield from ((found, own) for own, one in vars(found).items() if inspect.isfunction(one))


TOUCHING = [
    pytest.param(holder, name, id=f"{getattr(holder, '__name__', holder)}.{name}")
    for holder, name in functions(answer, errands, gate, look, plans, proc, wire)
    if (holder, name) not in {(Gate, "look"), (Gate, "_open")}  # see verdicts only; a failure there ends the probe
]


class Pod:
    """A pod whose every place holds the canary, and a probe whose words are kept."""

    def __init__(self, tree: Tree, folder: Folder, latch: Path) -> None:
        tree.add(7, env={"URL": CANARY, "STRAY": CANARY}, started=50)
        tree.mount(7, "/etc/db", {"url": CANARY}, at=20)
        folder.accept({4: {"url": CANARY}})
        self.said: list[str] = []
        self.clock, self.nonces = 0.0, 0
        self.plan = folder.plan(URL, FILE, generation=4)
        self.answerer = Answerer([self.plan], tree.proc, POD, lambda: NOW, lambda: self.clock)
        self.door = Door(0, challenges(lambda line: self.answerer.answer(line)))  # noqa: PLW0108  # looked up each time
        self.house = House([self.door], lambda: self.clock, self.said.append)
        self.gate = Gate([self.plan], tree.proc, str(latch), lambda: self.clock, self.said.append)

    def asked(self, *errand: str) -> bytes:
        """Over a real socket; what comes back, if anything does."""
        self.clock, self.nonces = self.clock + 1, self.nonces + 1
        challenge = wire.Challenge(self.plan.id, f"{self.nonces:032x}", 4, POD, NOW + 30, errand)
        return self.heard(wire.challenge_line(KEY, challenge))

    def heard(self, line: bytes) -> bytes:
        self.house.turn(0)
        assert self.door.sock is not None
        with socket.create_connection(("127.0.0.1", self.door.sock.getsockname()[1]), timeout=5) as guest:
            guest.sendall(line)
            guest.settimeout(0)
            pieces = [b"?"]
            for _ in range(500):  # turns, of at most ten milliseconds, until it hangs up
                self.house.turn(0.01)
                with suppress(BlockingIOError):
                    pieces.append(guest.recv(65536))
                    if not pieces[-1]:
                        break
        return b"".join(pieces[1:])


@pytest.fixture
def pod(tree: Tree, folder: Folder, tmp_path: Path) -> Iterator[Pod]:
    made = Pod(tree, folder, tmp_path / "open")
    yield made
    made.house.close()


def failing(original: Callable[..., object], *, late: bool) -> Callable[..., object]:
    """Fails, saying all that it knows, as a careless library would."""

    def fail(*given: object, **named: object) -> object:
        outcome = original(*given, **named) if late else None
        shown = [getattr(one, "value", one) for one in (*given, *named.values(), outcome)]
        raise LookupError(f"{CANARY} {shown!r}")

    return fail


@pytest.mark.enable_socket
@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("holder", "name"), TOUCHING)
def test_no_failure_says_a_value_or_ends_the_probe(
    pod: Pod,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    holder: object,
    name: str,
    *,
    late: bool,
) -> None:
    # Given any one function that fails, with what it was given in its words
    lines = [
        wire.challenge_line(KEY, wire.Challenge(pod.plan.id, f"f{number:031x}", 4, POD, NOW + 30, errand))
        for number, errand in enumerate([(), ("report", "1", "/x"), ("http", "1", "/x"), ("signal", "SIGHUP", "none")])
    ]
    with monkeypatch.context() as patched:
        patched.setattr(holder, name, failing(getattr(holder, name), late=late))
        # When it is challenged, sent on errands, and looks for its readiness gate until its patience ends
        heard = b"".join(pod.heard(line) for line in lines)
        pod.gate.look()
        pod.clock += PATIENCE + 1
        pod.gate.look()
    # Then nothing was said of the value, and the probe serves on
    words = "\n".join([*pod.said, *capfd.readouterr(), heard.decode("utf-8", "replace")])
    assert not [form for form in forms(CANARY) if form in words]
    assert pod.asked().startswith(b"KT1 ")


@pytest.mark.enable_socket
def test_a_gate_that_cannot_look_opens_after_its_patience_and_says_so(
    pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug of ours may leave a pod unproven; it may not keep it from serving."""
    monkeypatch.setattr(Gate, "_verdict", failing(Gate._verdict, late=False))
    pod.gate.look()
    assert not pod.gate.open
    pod.clock += PATIENCE
    pod.gate.look()
    assert pod.gate.open
    assert any("a bug of the probe, LookupError" in line for line in pod.said)


def test_what_ends_the_probe_is_said_by_kind_and_place_only(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(main, "say", said.append)
    try:
        failing(len, late=False)(CANARY)
    except LookupError as error:
        main.without_words(type(error), error, error.__traceback__)
    (line,) = said
    assert line.startswith("ends: LookupError at ")
    assert "test_leaks.py:" in line
    assert CANARY not in line


def test_the_hook_is_set_before_anything_is_read() -> None:
    """The first thing that fails, fails in our words."""
    code = (
        f"import sys; sys.path.insert(0, {OPERATOR!r})\n"
        "from keyturn_probe import main\n"
        f"def broken(*_): raise ValueError({CANARY!r})\n"
        "main.hidden = broken; main.main()"
    )
    said = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False, timeout=30
    )
    assert said.returncode == 1
    assert "ends: ValueError at" in said.stderr
    assert "Traceback" not in said.stderr
    assert CANARY not in said.stderr


def test_a_probe_that_crashes_leaves_no_core_dump(tmp_path: Path) -> None:
    """The kernel writes none for a process that is not dumpable, whatever the limits say (core(5))."""
    code = (
        f"import os, sys; sys.path.insert(0, {OPERATOR!r})\n"
        "from keyturn_probe.main import hidden\n"
        "if os.getuid() == 0: os.setgid(12345); os.setuid(12345)\n"
        "print(hidden(), flush=True)\n"
        f"os.kill(os.getpid(), {int(signal.SIGSEGV)})"
    )
    tmp_path.chmod(0o777)
    shell = f'ulimit -c unlimited; cd "$0"; exec {sys.executable} -I -S -c "$1"'
    done = subprocess.run(["sh", "-c", shell, str(tmp_path), code], stdout=-1, check=False, timeout=30)
    assert (done.stdout, done.returncode) == (b"True\n", -signal.SIGSEGV)
    assert list(tmp_path.iterdir()) == []


def test_doors_never_see_a_value() -> None:
    """Only ``answer`` is given the line, and only sealed bytes come back: the listener needs no care of its own."""
    assert not {"Look", "Finding", "Proc"} & set(vars(doors))
