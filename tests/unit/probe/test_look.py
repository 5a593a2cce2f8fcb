"""What is found where."""

from __future__ import annotations

import pytest

from keyturn_probe import wire
from keyturn_probe.look import Finding, Look, Watch
from support.pod_inside import Tree

URL = Watch("app", "url", wire.ENV, "DATABASE_URL")
FILE = Watch("app", "url", wire.FILE, "/etc/db/url")


def told(finding: Finding) -> tuple[str, str, str]:
    """(kind, value, code)."""
    return finding.kind, "" if finding.value is None else finding.value.decode(), finding.code


def findings(tree: Tree, *watches: Watch) -> list[tuple[str, str, str]]:
    return [told(finding) for finding in Look(tree.proc).findings(watches)]


def test_every_process_of_the_container_tells_its_own_value(tree: Tree) -> None:
    tree.add(7, env={"DATABASE_URL": "new"})
    tree.add(8, env={"DATABASE_URL": "old"})
    tree.add(9, "side", env={"DATABASE_URL": "else"})
    assert sorted(findings(tree, URL)) == [("P", "new", ""), ("P", "old", "")]


def test_a_container_without_a_process_is_a_gap(tree: Tree) -> None:
    tree.add(9, "side", env={"DATABASE_URL": "x"})
    assert findings(tree, URL, FILE) == [("P", "", wire.NO_PROCESS)] * 2


def test_a_process_without_the_variable_is_neutral_and_an_overwritten_one_is_a_gap(tree: Tree) -> None:
    tree.add(7, env={"HOME": "/"})
    tree.add(8, env=b"nginx: worker")
    assert sorted(findings(tree, URL)) == [("P", "", ""), ("P", "", wire.OVERWRITTEN)]


def test_a_variable_given_twice_tells_both_values(tree: Tree) -> None:
    tree.add(7, env=b"DATABASE_URL=new\0DATABASE_URL=old\0")
    assert findings(tree, URL) == [("P", "new", ""), ("P", "old", "")]


def test_a_process_younger_than_the_file_holds_what_the_file_says(tree: Tree) -> None:
    tree.add(7, started=60)
    tree.mount(7, "/etc/db", {"url": "new"}, at=50)
    assert findings(tree, FILE) == [("M", "new", ""), ("P", "new", "")]


@pytest.mark.fm(27)
def test_a_process_older_than_the_file_may_hold_anything(tree: Tree) -> None:
    tree.add(7, started=40)
    tree.mount(7, "/etc/db", {"url": "old"}, at=30)
    assert findings(tree, FILE) == [("M", "old", ""), ("P", "old", "")]
    tree.mount(7, "/etc/db", {"url": "new"}, at=50, version="2")
    assert findings(tree, FILE) == [("M", "new", ""), ("P", "", wire.OLDER)]


def test_a_process_as_old_as_the_file_gets_no_benefit_of_the_doubt(tree: Tree) -> None:
    tree.add(7, started=50.05)
    tree.mount(7, "/etc/db", {"url": "new"}, at=50)
    assert findings(tree, FILE)[1] == ("P", "", wire.OLDER)


@pytest.mark.fm(27)
def test_one_young_helper_does_not_speak_for_its_old_parent(tree: Tree) -> None:
    tree.add(7, started=40)
    tree.add(8, started=60)
    for pid in (7, 8):
        tree.mount(pid, "/etc/db", {"url": "new"}, at=50)
    assert sorted(findings(tree, FILE)) == [("M", "new", ""), ("P", "", wire.OLDER), ("P", "new", "")]


def test_a_missing_file_is_a_gap_of_both_kinds(tree: Tree) -> None:
    tree.add(7)
    assert findings(tree, FILE) == [("M", "", wire.MISSING), ("P", "", wire.MISSING)]


def strays(tree: Tree, *watches: Watch) -> list[tuple[str, str, str]]:
    known = {b"old": "url"}
    return [(s.container, s.key, s.way) for s in Look(tree.proc).strays(watches, known.get)]


def test_a_known_value_in_an_undeclared_variable_is_a_stray(tree: Tree) -> None:
    tree.add(7, env={"DATABASE_URL": "new", "LEGACY_URL": "old", "EMPTY": ""})
    tree.add(8, "", env={"X": "old"})
    tree.add(9, "keyturn-probe", env={"X": "old"})
    assert sorted(strays(tree, URL)) == [("", "url", "Stray"), ("app", "url", "Stray")]


def test_a_declared_variable_is_no_stray(tree: Tree) -> None:
    tree.add(7, env={"DATABASE_URL": "old"})
    assert strays(tree, URL) == []


def test_the_app_is_seen_by_its_own_processes_only(tree: Tree) -> None:
    tree.add(1, "")
    tree.add(3, "init-schema")
    tree.add(4, "keyturn-probe")
    assert not Look(tree.proc).app_seen([URL])
    tree.add(7, "app")
    assert Look(tree.proc).app_seen([URL])


def test_without_watches_or_attribution_any_process_may_be_the_app(tree: Tree) -> None:
    tree.add(1, "")
    assert not Look(tree.proc).app_seen([])
    tree.add(7, "app")
    assert Look(tree.proc).app_seen([])
    tree.end(7)
    tree.add(8, "")
    assert Look(tree.proc).app_seen([URL])
