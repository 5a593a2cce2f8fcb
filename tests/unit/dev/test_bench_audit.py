"""Counting the operator's writes in the API server's audit log."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from keyturn_dev.bench.audit import USER, counted, minimum, open_log, purpose, writes
from keyturn_dev.cluster.shell import Trouble


def entry(resource: str, *, user: str = USER, verb: str = "patch", **target: str) -> dict[str, object]:
    named = {"resource": resource, "namespace": "shop"} | target
    return {"stage": "ResponseComplete", "verb": verb, "user": {"username": user}, "objectRef": named}


def test_only_the_operators_own_writes_count() -> None:
    found = writes(
        [
            entry("secrets", name="orders-db"),
            entry("secrets", name="orders-db", user="keyturn-admin"),
            entry("secrets", name="orders-db", verb="get"),
            entry("secrets", name="orders-db") | {"stage": "ResponseStarted"},
        ],
        "orders-db",
    )

    assert found == Counter({"the Secret": 1})


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({"resource": "secrets", "namespace": "shop", "name": "orders-db"}, "the Secret"),
        ({"resource": "secrets", "namespace": "shop", "name": "keyturn-probe-orders-db"}, "probe keys"),
        ({"resource": "secrets", "namespace": "keyturn-system", "name": "orders-db"}, "escrow and keys"),
        ({"resource": "rotations", "subresource": "status"}, "status of the Rotation"),
        ({"resource": "rotationplans", "subresource": "status"}, "status of the plan"),
        ({"resource": "rotationplans"}, "rotationplans"),
        ({"resource": "deployments"}, "workloads"),
        ({"resource": "subjectaccessreviews"}, "subjectaccessreviews"),
    ],
)
def test_a_write_is_named_by_what_it_is_for(target: dict[str, str], expected: str) -> None:
    assert purpose(target, "orders-db") == expected


def test_leases_and_touches_of_pods_are_counted_apart_and_events_are_not() -> None:
    found = writes([entry("leases", verb="update"), entry("pods"), entry("events", verb="create")], "orders-db")

    assert found == Counter({"lease": 1, "pod touches": 1, "Events": 1})
    assert counted(found) == 1


def test_the_minimum_is_one_secret_one_patch_a_workload_and_one_status_a_phase() -> None:
    assert minimum(phases=11, workloads=3) == 15


def test_what_was_written_before_the_log_was_opened_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_text(json.dumps({"n": 1}) + "\n")
    log = open_log(path)

    with path.open("a") as more:
        more.write(json.dumps({"n": 2}) + "\n")

    assert [found["n"] for found in log.entries()] == [2]


def test_a_log_that_was_rotated_away_meanwhile_loses_no_entry(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.touch()
    log = open_log(path)

    with path.open("a") as more:
        more.write(json.dumps({"n": 1}) + "\n")
    path.rename(tmp_path / "audit-1.log")
    path.write_text(json.dumps({"n": 2}) + "\n")

    assert [found["n"] for found in log.entries()] == [1, 2]


def test_a_cluster_without_an_audit_log_is_refused_with_a_way_out() -> None:
    with pytest.raises(Trouble, match="audit log") as caught:
        open_log(None)

    assert "local driver" in caught.value.hint
