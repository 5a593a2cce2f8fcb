"""What the cluster commands say when something is not as it should be."""

from __future__ import annotations

from pathlib import Path

import pytest

from keyturn_dev.cluster import api
from keyturn_dev.cluster.home import Home
from keyturn_dev.cluster.local import health
from keyturn_dev.cluster.shell import Trouble, run, wait_until

LOG = Path("logs/etcd.log")


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def test_an_unknown_driver_is_refused_with_the_names_of_those_there_are() -> None:
    with pytest.raises(Trouble, match="no driver 'minikube'") as refused:
        api.ensure_cluster(driver="minikube")

    assert refused.value.hint == "Choose one of existing, kind, local."
    assert Home.of().driver is None


def test_a_cluster_keeps_the_driver_that_made_it() -> None:
    Home.of().remember_driver("kind")

    with pytest.raises(Trouble, match="a cluster of the kind driver") as refused:
        api.ensure_cluster(driver="local")

    assert refused.value.hint == "Run hack/cluster down first."


def test_a_driver_that_could_make_nothing_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "no-programs"))

    with pytest.raises(Trouble, match="neither Docker nor Podman answers"):
        api.ensure_cluster(driver="kind")

    assert Home.of().driver is None


def test_a_cluster_that_is_not_there_is_not_described() -> None:
    with pytest.raises(Trouble, match="there is no cluster"):
        api.describe()


def test_taking_down_a_cluster_that_was_never_there_is_fine(tmp_path: Path) -> None:
    api.tear_down()

    assert list(tmp_path.iterdir()) == []


def test_somebody_s_own_cluster_is_left_alone_by_down() -> None:
    home = Home.of()
    home.remember_driver("existing")
    home.kubeconfig.write_text("a copy")

    api.tear_down()

    assert not home.root.exists()


def test_a_healthy_part_is_up() -> None:
    part = health.judge("etcd", {"etcd": {"running": True, "starts": 1, "ended": ""}}, healthy=True, log=LOG)

    assert part.works
    assert part.words == "up"


def test_a_part_that_was_started_again_says_how_it_ended() -> None:
    part = health.judge("etcd", {"etcd": {"running": True, "starts": 3, "ended": "signal 9"}}, healthy=True, log=LOG)

    assert part.works
    assert part.words == "up, started 3 times, last ended with signal 9"


def test_a_part_that_does_not_answer_names_its_log() -> None:
    part = health.judge("etcd", {"etcd": {"running": True, "starts": 1, "ended": ""}}, healthy=False, log=LOG)

    assert not part.works
    assert part.words == "down: running but does not answer; see logs/etcd.log"


def test_a_part_that_was_never_started_says_that_it_waits() -> None:
    part = health.judge("etcd", {}, healthy=False, log=LOG)

    assert not part.works
    assert part.words == "down: not started yet, what it needs does not answer"


def test_a_program_that_fails_is_told_with_its_last_words() -> None:
    with pytest.raises(Trouble, match=r"exit code 3:\nno such thing"):
        run(["sh", "-c", "echo no such thing >&2; exit 3"])


def test_a_program_that_is_missing_points_to_the_doctor() -> None:
    with pytest.raises(Trouble, match="no-such-program is not installed") as refused:
        run(["no-such-program"])

    assert "hack/doctor" in refused.value.hint


def test_waiting_ends_with_the_condition_or_with_the_time() -> None:
    looks = iter([False, False, True])

    assert wait_until(lambda: next(looks), timeout=10, every=0.001)
    assert not wait_until(lambda: False, timeout=0.01, every=0.001)
