"""Where a cluster keeps its files, and the lock around it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from keyturn_dev.cluster.home import Home


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "keyturn"


def taken_by_someone(directory: Path) -> bool:
    handle = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(handle)


def test_while_one_command_is_at_work_no_other_gets_the_lock(state: Path) -> None:
    home = Home.of("keyturn")

    with home.locked():
        home.remember_driver("local")
        during = taken_by_someone(state)

    assert during
    assert not taken_by_someone(state)


def test_the_lock_leaves_nothing_behind_where_there_is_no_cluster(state: Path) -> None:
    with Home.of("keyturn").locked():
        assert state.is_dir()

    assert not state.exists()


def test_the_lock_is_let_go_when_the_command_fails(state: Path) -> None:
    home = Home.of("keyturn")
    home.remember_driver("local")

    with pytest.raises(ZeroDivisionError), home.locked():
        _ = 1 / 0

    assert not taken_by_someone(state)


def test_a_relative_state_directory_is_ignored_as_the_specification_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "here")

    assert Home.of("keyturn").root == Path.home() / ".local/state/keyturn/cluster"


def test_emptying_keeps_the_driver_and_forgetting_keeps_nothing(state: Path) -> None:
    home = Home.of("mine")
    home.remember_driver("local")
    (home.root / "etcd").mkdir()

    home.empty()

    assert home.driver == "local"
    assert [path.name for path in home.root.iterdir()] == ["driver"]
    home.forget()
    assert home.driver is None
    assert not (state / "cluster-mine").exists()


def test_others_are_the_clusters_of_every_other_name(state: Path) -> None:
    for name in ("keyturn", "mine", "yours"):
        Home.of(name).remember_driver("local")
    (state / "unrelated").mkdir()

    assert {home.name for home in Home.of("mine").others()} == {"keyturn", "yours"}
    assert {home.name for home in Home.of("keyturn").others()} == {"mine", "yours"}


def test_the_state_directory_is_for_its_owner_only(state: Path) -> None:
    home = Home.of("keyturn")

    with home.locked():
        home.remember_driver("local")

    assert state.stat().st_mode & 0o077 == 0
    assert home.root.stat().st_mode & 0o077 == 0
