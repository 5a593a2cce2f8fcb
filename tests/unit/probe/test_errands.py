"""What the probe does to the app: asks it, and tells it to reload, over real sockets and with real signals."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from keyturn.core.evidence import Testimony
from keyturn.core.model import Kind, Verdict
from keyturn.core.sealed import Sealed
from keyturn.kube.testimony import Recogniser
from keyturn_probe import wire
from keyturn_probe.answer import Answerer
from keyturn_probe.look import Watch
from support.plan_records import pod_record
from support.pod_inside import KEY, POD, Folder, Tree

pytestmark = pytest.mark.enable_socket

FILE = Watch("app", "DATABASE_URL", wire.FILE, "/etc/db/url")
EXPECTED = {"Old": {"DATABASE_URL": Sealed("old-url")}, "New": {"DATABASE_URL": Sealed("new-url")}}
NOW = 1_900_000_000
DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "reported-evidence.md"


class Pod:
    """A probe over a made-up /proc tree, and an operator who orders and asks."""

    def __init__(self, tree: Tree, folder: Folder) -> None:
        self.tree, self.folder, self.now, self.nonces = tree, folder, 0.0, 0
        self.plan = folder.plan(FILE)
        self.clock = 0.0
        self.answerer = Answerer([self.plan], tree.proc, POD, lambda: NOW, lambda: self.clock)
        tree.add(7, started=10)
        folder.accept({3: {"DATABASE_URL": "old-url"}, 4: {"DATABASE_URL": "new-url"}})

    def shows(self, value: str, at: float = 20) -> None:
        self.tree.mount(7, "/etc/db", {"url": value}, at=at, version=value)

    def asked(self, *errand: str, generation: int = 4) -> Testimony:
        self.nonces += 1
        self.clock += 1  # the flood gate is another test's
        challenge = wire.Challenge(self.plan.id, f"{self.nonces:032x}", generation, POD, NOW + 30, errand)
        sealed = self.answerer.answer(wire.challenge_line(KEY, challenge))
        assert sealed is not None
        header, _, body = sealed.partition(b"\n")
        lines = wire.open_answer(KEY, challenge, header, body)
        return Recogniser(Sealed(KEY), challenge, pod_record(), EXPECTED).testimony(lines)

    def reported(self, port: int, path: str = "/-/credential") -> list[tuple[Verdict, str]]:
        sights = self.asked(wire.REPORT, str(port), path).sights
        return [(sight.verdict, sight.why) for sight in sights if sight.kind is Kind.REPORTED]


class App:
    """An app on the loopback that says what a test wants, and remembers what it was asked."""

    def __init__(self) -> None:
        self.status, self.reply, self.asked = 200, b"", list[tuple[str, bytes]]()
        app = self

        class Door(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                app.asked.append((self.path, body))
                self.send_response(app.status)
                self.end_headers()
                self.wfile.write(app.reply)

            def log_message(self, *_: object) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Door)
        self.port = self.server.server_port


@pytest.fixture
def pod(tree: Tree, folder: Folder) -> Pod:
    return Pod(tree, folder)


@pytest.fixture
def app() -> Iterator[App]:
    made = App()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


# --------------------------------------------------------------------------------------------------------- reload


def test_an_app_is_told_once_a_generation_and_not_before_its_files_show_it(pod: Pod, app: App) -> None:
    order = (wire.HTTP, str(app.port), "/-/reload")
    pod.shows("old-url")
    pod.asked(*order)
    assert app.asked == []
    assert "as soon as its files show" in pod.asked().note

    pod.shows("new-url", at=30)
    for _ in range(3):
        pod.asked(*order)
    assert app.asked == [("/-/reload", b"")]
    assert pod.asked().note == ""


def test_going_back_is_another_generation_and_an_older_order_comes_too_late(pod: Pod, app: App) -> None:
    order = (wire.HTTP, str(app.port), "/-/reload")
    pod.shows("new-url")
    pod.asked(*order)
    pod.folder.accept({4: {"DATABASE_URL": "new-url"}, 5: {"DATABASE_URL": "old-url"}})
    pod.asked(*order, generation=5)
    assert len(app.asked) == 1
    pod.shows("old-url", at=40)
    pod.asked(*order, generation=5)
    pod.asked(*order, generation=4)
    assert len(app.asked) == 2


def test_an_app_that_refuses_is_told_again_later_and_the_pod_says_so(pod: Pod, app: App) -> None:
    order = (wire.HTTP, str(app.port), "/-/reload")
    pod.shows("new-url")
    app.status = 503
    pod.asked(*order)
    pod.asked(*order)
    assert len(app.asked) == 1
    assert "answered 503" in pod.asked().note
    pod.clock += 5
    app.status = 204
    pod.asked(*order)
    assert len(app.asked) == 2
    assert pod.asked().note == ""


@pytest.mark.parametrize("port", ["1", "65536", "99999999999", "x", "-1"])
def test_an_app_that_is_not_there_is_said_so(pod: Pod, port: str) -> None:
    pod.shows("new-url")
    pod.asked(wire.HTTP, port, "/-/reload")
    assert "nobody answers" in pod.asked().note


@pytest.mark.parametrize("path", ["-/reload", "/a b", "/a\r\nX: y", "/\x00", ""])
def test_a_path_that_could_be_more_than_a_path_is_not_asked_for(pod: Pod, app: App, path: str) -> None:
    pod.shows("new-url")
    pod.asked(wire.HTTP, str(app.port), path)
    assert app.asked == []


def test_without_a_plan_that_rotates_nobody_is_told_anything(pod: Pod, app: App) -> None:
    pod.shows("new-url")
    (pod.folder.root / pod.plan.id / "accept").unlink()
    pod.asked(wire.HTTP, str(app.port), "/-/reload")
    assert app.asked == []


@contextmanager
def _child(tree: Tree, pid: int, started: float, heard: str) -> Iterator[subprocess.Popen[str]]:
    """A real process that ends with ``heard`` when it is told, in a made-up container."""
    program = (
        f"import signal,sys; signal.signal(signal.SIGHUP, lambda *_: sys.exit({heard!r})); "
        "print(1, flush=True); signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=-1, stderr=-1, text=True) as child:
        assert child.stdout is not None
        child.stdout.readline()
        home = tree.add(pid, started=started)
        home.rename(tree.root / str(child.pid))
        yield child
        child.kill()


def test_a_signal_goes_to_the_first_process_of_the_container(pod: Pod) -> None:
    pod.shows("new-url")
    pod.tree.end(7)
    with _child(pod.tree, 7, 5, "first") as first, _child(pod.tree, 8, 6, "second") as second:
        for child in (first, second):
            pod.tree.mount(child.pid, "/etc/db", {"url": "new-url"}, at=20)
        pod.asked(wire.SIGNAL, "SIGHUP", "app")
        assert first.wait(10) == 1
        assert second.poll() is None
        assert first.stderr is not None
        assert first.stderr.read().strip() == "first"


@pytest.mark.parametrize(("name", "container"), [("SIGKILL", "app"), ("9", "app"), ("SIGHUP", "other"), ("", "")])
def test_no_other_signal_and_no_other_container_is_reached(
    pod: Pod, name: str, container: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[object] = []
    monkeypatch.setattr(os, "kill", lambda *told: sent.append(told))
    pod.shows("new-url")
    pod.asked(wire.SIGNAL, name, container)
    assert sent == []
    assert "runs no process" in pod.asked().note


def test_a_process_that_may_not_be_signalled_is_said_so(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_pid: int, number: int) -> None:
        assert number == signal.SIGHUP
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    pod.shows("new-url")
    pod.asked(wire.SIGNAL, "SIGHUP", "app")
    assert "another user" in pod.asked().note


# --------------------------------------------------------------------------------------------------------- report


def _listening(port: int) -> bool:
    with socket.socket() as door:
        return door.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def documented(file: Path) -> Iterator[int]:
    """The app of the document, running."""
    (program,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert len([line for line in program.splitlines() if line]) <= 15
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "URL_FILE": str(file), "PORT": str(port)}
    with subprocess.Popen([sys.executable, "-c", program], env=environment, stderr=subprocess.DEVNULL) as child:
        deadline = time.monotonic() + 10
        while not _listening(port):
            assert time.monotonic() < deadline, "the document's app did not start"
        yield port
        child.kill()


def test_the_documents_app_proves_what_it_uses_whatever_its_file_says_by_now(pod: Pod, tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("old-url")
    with documented(file) as port:
        assert pod.reported(port) == [(Verdict.OLD, "")]
        file.write_text("new-url")
        assert pod.reported(port) == [(Verdict.OLD, "")]
        pod.shows("new-url")
        pod.asked(wire.HTTP, str(port), "/-/reload")
        assert pod.reported(port) == [(Verdict.NEW, "")]


def test_the_question_names_the_pod_and_is_never_the_same(pod: Pod, app: App) -> None:
    pod.reported(app.port)
    pod.reported(app.port)
    (path, first), (_, second) = app.asked
    assert path == "/-/credential"
    assert first.split() == [b"KTR1", b"0" * 31 + b"1", POD.encode(), b"4"]
    assert first != second


@pytest.mark.parametrize(
    ("status", "reply", "word"),
    [
        (404, b"", "answered 404"),
        (302, b"", "answered 302"),
        (200, b"", "KEY hex"),
        (200, b"DATABASE_URL nonsense\n", "KEY hex"),
        (200, b"\xff\xfe" * 6000, "KEY hex"),
        (200, b"OTHER " + b"0" * 64, "no key of the Secret that changes"),
    ],
)
def test_an_answer_that_is_no_report_proves_nothing(pod: Pod, app: App, status: int, reply: bytes, word: str) -> None:
    app.status, app.reply = status, reply
    ((verdict, why),) = pod.reported(app.port)
    assert verdict is Verdict.UNKNOWN
    assert word in why


def test_a_report_of_a_value_that_is_neither_counts_against_the_pod(pod: Pod, app: App) -> None:
    app.reply = b"DATABASE_URL " + b"0" * 64
    assert pod.reported(app.port) == [(Verdict.OTHER, "")]


def test_an_app_that_never_answers_costs_half_a_second(pod: Pod) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        began = time.monotonic()
        ((verdict, why),) = pod.reported(deaf.getsockname()[1])
        assert time.monotonic() - began < 2
    assert verdict is Verdict.UNKNOWN
    assert "does not answer" in why


def test_what_leaves_the_pod_is_not_what_the_app_said(pod: Pod, app: App) -> None:
    """It would let whoever listens try out weak values."""
    app.reply = b"DATABASE_URL " + b"ab" * 32
    challenge = wire.Challenge(pod.plan.id, "ef" * 16, 4, POD, NOW + 30, (wire.REPORT, str(app.port), "/-/credential"))
    sealed = pod.answerer.answer(wire.challenge_line(KEY, challenge))
    assert sealed is not None
    assert b"DATABASE_URL" in sealed
    assert b"ab" * 32 not in sealed


def test_a_report_that_nobody_asked_for_is_not_heard() -> None:
    challenge = wire.Challenge("0123456789", "ab" * 16, 4, POD, NOW + 30)
    line = ["gap", "", "", wire.APP, wire.REPORTED, wire.SILENT, "", "1"]
    sights = Recogniser(Sealed(KEY), challenge, pod_record(), EXPECTED).testimony([line]).sights
    assert [sight for sight in sights if sight.kind is Kind.REPORTED] == []
