"""What a local cluster leaves on the machine: its processes are never mistaken for somebody else's."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from keyturn_dev.cluster.local.machine import Process, Record, spawn
from keyturn_dev.cluster.shell import wait_until


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"]) as child:
        yield child
        child.kill()


def running(pid: int) -> Process:
    found = Process.running(pid)
    assert found is not None
    return found


def test_a_running_process_is_found_and_ends_when_killed(sleeper: subprocess.Popen[bytes]) -> None:
    process = running(sleeper.pid)

    assert process.alive()
    process.kill()

    assert wait_until(lambda: not process.alive(), timeout=10)


def test_a_later_process_with_the_same_id_is_left_alone(sleeper: subprocess.Popen[bytes]) -> None:
    now = running(sleeper.pid)
    before = Process(now.pid, now.started - 1)

    before.kill()

    assert not before.alive()
    assert before.collected()
    assert now.alive()


def test_a_spawned_process_ends_with_its_input_and_leaves_no_zombie(tmp_path: Path) -> None:
    process, word = spawn(["sh", "-c", "read line; echo got $line"], tmp_path / "log")
    assert process is not None
    assert process.alive()

    with open(word, "wb") as pipe:  # noqa: PTH123 - a descriptor, not a path
        pipe.write(b"go\n")

    assert wait_until(process.collected, timeout=10)
    assert (tmp_path / "log").read_text() == "got go\n"


def test_a_spawned_process_sees_the_end_of_its_input_when_we_are_gone(tmp_path: Path) -> None:
    process, word = spawn(["sh", "-c", "read line || echo alone"], tmp_path / "log")
    assert process is not None

    with open(word, "wb"):  # noqa: PTH123 - a descriptor, not a path
        pass

    assert wait_until(process.collected, timeout=10)
    assert (tmp_path / "log").read_text() == "alone\n"


def test_what_was_written_down_is_read_back(tmp_path: Path) -> None:
    record = Record(3, [Process(10, 20), Process(11, 21)])

    record.write(tmp_path / "machine.json")

    assert Record.read(tmp_path / "machine.json") == record
    assert Record.read(tmp_path / "absent.json") is None
