"""The readiness gate holds a new pod that positively holds a wrong value, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from keyturn_probe import wire
from keyturn_probe.gate import LOOKS, PATIENCE, Gate
from keyturn_probe.look import Watch
from keyturn_probe.plans import Plan
from support.pod_inside import Folder, Tree

URL = Watch("app", "url", wire.ENV, "DATABASE_URL")


class Pod:
    """One gate with a clock that a test winds."""

    def __init__(self, tree: Tree, latch: Path, *plans: Plan) -> None:
        self.now = 0.0
        self.said: list[str] = []
        self.gate = Gate(plans, tree.proc, str(latch), lambda: self.now, self.said.append)

    def opens(self, *, after: float = 0.0, alone: bool = False) -> bool:
        """Look as often as it takes to agree, that much later."""
        self.now += after
        for _ in range(LOOKS):
            self.gate.look(alone=alone)
        return self.gate.open


@pytest.fixture
def latch(tmp_path: Path) -> Path:
    return tmp_path / "open"


def test_without_a_rotation_it_opens_at_once(tree: Tree, folder: Folder, latch: Path) -> None:
    assert Pod(tree, latch, folder.plan(URL)).opens()


def test_a_value_of_the_templates_generation_opens_after_two_looks(tree: Tree, folder: Folder, latch: Path) -> None:
    folder.accept({3: {"url": "old"}, 4: {"url": "new"}})
    tree.add(7, env={"DATABASE_URL": "new"})
    pod = Pod(tree, latch, folder.plan(URL, generation=4))
    pod.gate.look()
    assert not pod.gate.open
    pod.gate.look()
    assert pod.gate.open


def test_an_old_value_under_a_new_template_is_held_however_long(tree: Tree, folder: Folder, latch: Path) -> None:
    folder.accept({3: {"url": "old"}, 4: {"url": "new"}})
    tree.add(7, env={"DATABASE_URL": "old"})
    pod = Pod(tree, latch, folder.plan(URL, generation=4))
    assert not pod.opens()
    assert not pod.opens(after=10 * PATIENCE)
    assert pod.said == ["not ready: container app: url has a value of no live generation"]


def test_a_value_nobody_knows_is_held(tree: Tree, folder: Folder, latch: Path) -> None:
    folder.accept({4: {"url": "new"}})
    tree.add(7, env={"DATABASE_URL": "other"})
    assert not Pod(tree, latch, folder.plan(URL, generation=4)).opens(after=PATIENCE)


@pytest.mark.parametrize("value", ["old", "new"])
def test_a_pod_of_the_old_template_may_hold_old_or_anything_newer(
    tree: Tree, folder: Folder, latch: Path, value: str
) -> None:
    folder.accept({3: {"url": "old"}, 4: {"url": "new"}})
    tree.add(7, env={"DATABASE_URL": value})
    assert Pod(tree, latch, folder.plan(URL, generation=3)).opens()


def test_halves_of_two_generations_are_held(tree: Tree, folder: Folder, latch: Path) -> None:
    folder.accept({3: {"user": "a", "password": "pa"}, 4: {"user": "b", "password": "pb"}})
    tree.add(7, env={"U": "a", "P": "pb"})
    watches = (Watch("app", "user", wire.ENV, "U"), Watch("app", "password", wire.ENV, "P"))
    pod = Pod(tree, latch, folder.plan(*watches, generation=3))
    assert not pod.opens(after=PATIENCE)
    assert "different generations" in pod.said[0]


def test_processes_of_two_generations_are_held(tree: Tree, folder: Folder, latch: Path) -> None:
    folder.accept({3: {"url": "old"}, 4: {"url": "new"}})
    tree.add(7, env={"DATABASE_URL": "old"})
    tree.add(8, env={"DATABASE_URL": "new"})
    assert not Pod(tree, latch, folder.plan(URL, generation=3)).opens(after=PATIENCE)


def test_an_overridden_variable_that_nobody_declared_is_held_if_it_is_old(
    tree: Tree, folder: Folder, latch: Path
) -> None:
    folder.accept({3: {"url": "old"}, 4: {"url": "new"}})
    tree.add(7, env={"DATABASE_URL": "old"})
    pod = Pod(tree, latch, folder.plan(generation=4))
    assert not pod.opens(after=PATIENCE)
    assert pod.said == ["not ready: container app: an undeclared variable holds an older url"]


def test_an_old_user_name_somewhere_else_is_no_reason_to_hold(tree: Tree, folder: Folder, latch: Path) -> None:
    folder.accept({3: {"url": "old", "user": "a"}, 4: {"url": "new", "user": "b"}})
    tree.add(7, env={"DATABASE_URL": "new", "SERVICE": "a"})
    assert Pod(tree, latch, folder.plan(URL, generation=4)).opens()


def test_what_cannot_be_seen_opens_after_half_a_minute_of_the_apps_life(
    tree: Tree, folder: Folder, latch: Path
) -> None:
    folder.accept({4: {"url": "new"}})
    pod = Pod(tree, latch, folder.plan(URL, generation=4))
    assert not pod.opens(after=10 * PATIENCE), "the app has not started: its image is still being pulled"
    tree.add(7, env=b"nginx: worker")
    assert not pod.opens(after=1)
    assert not pod.opens(after=PATIENCE - 1)
    assert pod.opens(after=1)
    assert "unproven" in pod.said[-1]


def test_a_pod_that_does_not_share_its_processes_opens_after_half_a_minute(
    tree: Tree, folder: Folder, latch: Path
) -> None:
    folder.accept({4: {"url": "new"}})
    pod = Pod(tree, latch, folder.plan(URL, generation=4))
    assert not pod.opens(alone=True)
    assert pod.opens(after=PATIENCE, alone=True)


def test_a_wrong_value_seen_late_is_still_held(tree: Tree, folder: Folder, latch: Path) -> None:
    folder.accept({3: {"url": "old"}, 4: {"url": "new"}})
    tree.add(7, env={"DATABASE_URL": "new"})
    pod = Pod(tree, latch, folder.plan(URL, generation=4))
    pod.gate.look()
    tree.end(7)
    tree.add(8, env={"DATABASE_URL": "old"})
    assert not pod.opens(after=PATIENCE)


def test_once_open_it_never_closes_and_a_restart_remembers(tree: Tree, folder: Folder, latch: Path) -> None:
    folder.accept({4: {"url": "new"}})
    tree.add(7, env={"DATABASE_URL": "new"})
    plan = folder.plan(URL, generation=4)
    assert Pod(tree, latch, plan).opens()
    tree.end(7)
    tree.add(8, env={"DATABASE_URL": "other"})
    assert Pod(tree, latch, plan).gate.open


def test_a_key_that_no_generation_tells_apart_is_not_judged(tree: Tree, folder: Folder, latch: Path) -> None:
    folder.accept({4: {"url": "new"}})
    tree.add(7, env={"DATABASE_URL": "new", "H": "db.example"})
    plan = folder.plan(URL, Watch("app", "host", wire.ENV, "H"), generation=4)
    assert Pod(tree, latch, plan).opens()


def test_every_plan_must_agree(tree: Tree, folder: Folder, latch: Path) -> None:
    folder.accept({4: {"url": "new"}})
    folder.accept({1: {"url": "x"}}, id_="abcdef0123")
    tree.add(7, env={"DATABASE_URL": "new", "OTHER": "y"})
    other = folder.plan(Watch("app", "url", wire.ENV, "OTHER"), id_="abcdef0123")
    assert not Pod(tree, latch, folder.plan(URL, generation=4), other).opens(after=PATIENCE)


@pytest.mark.parametrize("content", ["nonsense", "4 url", "x url aa plain", "\0"])
def test_an_accept_file_that_is_not_ours_is_unknown(tree: Tree, folder: Folder, latch: Path, content: str) -> None:
    plan = folder.plan(URL, generation=4)
    (folder.root / plan.id / "accept").write_text(content)
    tree.add(7, env={"DATABASE_URL": "new"})
    pod = Pod(tree, latch, plan)
    assert not pod.opens()
    assert pod.opens(after=PATIENCE)


def test_a_list_that_knows_only_older_generations_is_unknown(tree: Tree, folder: Folder, latch: Path) -> None:
    folder.accept({3: {"url": "old"}})
    tree.add(7, env={"DATABASE_URL": "new"})
    pod = Pod(tree, latch, folder.plan(URL, generation=4))
    assert not pod.opens()
    assert pod.opens(after=PATIENCE)


def test_a_latch_that_cannot_be_written_still_opens(tree: Tree, folder: Folder, tmp_path: Path) -> None:
    pod = Pod(tree, tmp_path / "no" / "such" / "place", folder.plan(URL))
    assert pod.opens()
    assert "cannot be written" in pod.said[0]
