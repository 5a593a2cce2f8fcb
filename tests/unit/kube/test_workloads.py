"""How a Deployment's fields are read, as the Deployment controller itself reads them."""

from __future__ import annotations

from typing import Any

import pytest

from keyturn.api.labels import INJECT, restart_annotation
from keyturn.core.model import ConsumerRef, ObjectKey
from keyturn.kube.workloads import kills_first, selector_text, workload_of

PLAN = ObjectKey("shop", "orders-db")


def rolling(surge: int | str | None, unavailable: int | str | None) -> dict[str, Any]:
    given = {"maxSurge": surge, "maxUnavailable": unavailable}
    return {"type": "RollingUpdate", "rollingUpdate": {key: value for key, value in given.items() if value is not None}}


@pytest.mark.parametrize(
    ("strategy", "replicas", "kills"),
    [
        ({"type": "Recreate"}, 3, True),
        ({}, 1, False),  # 25 % of one: surge rounds up to 1, unavailable down to 0
        (rolling("25%", "25%"), 1, False),
        (rolling(0, 1), 1, True),
        (rolling(1, 1), 1, True),  # the only pod may go as soon as the new one exists
        (rolling(0, 1), 2, False),
        (rolling(0, "100%"), 4, True),
        (rolling(1, "99%"), 4, False),
        (rolling(0, 0), 1, True),  # the controller takes one away all the same
        (rolling(0, 0), 2, False),
        (rolling(0, 5), 3, True),
        (rolling(0, 1), 0, False),
    ],
)
def test_a_workload_kills_first_if_every_pod_may_go_before_its_replacement_is_ready(
    strategy: dict[str, Any], replicas: int, *, kills: bool
):
    assert kills_first(strategy, replicas) is kills


def test_a_selector_is_written_as_queries_want_it():
    selector = {
        "matchLabels": {"tier": "web", "app": "orders"},
        "matchExpressions": [
            {"key": "track", "operator": "In", "values": ["stable", "canary"]},
            {"key": "zone", "operator": "NotIn", "values": ["x"]},
            {"key": "owner", "operator": "Exists"},
            {"key": "legacy", "operator": "DoesNotExist"},
        ],
    }

    assert selector_text(selector) == "app=orders,tier=web,track in (stable,canary),zone notin (x),owner,!legacy"


def stored(**changes: Any) -> dict[str, Any]:
    """Three replicas, all of the latest template, all available."""
    status = {"observedGeneration": 4, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}
    return {
        "metadata": {"namespace": "shop", "name": "orders-api", "uid": "u1", "generation": 4},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "orders"}}, "template": changes.pop("template", {})}
        | changes.pop("spec", {}),
        "status": status | changes,
    }


def test_a_deployment_is_settled_and_healthy_when_all_replicas_are_of_the_seen_spec_and_available():
    record = workload_of(stored(), "orders-db", PLAN)

    assert record.settled
    assert record.healthy
    assert record.ref == ConsumerRef("Deployment", "shop", "orders-api")
    assert record.stuck == ""


@pytest.mark.parametrize(
    "change",
    [{"observedGeneration": 3}, {"replicas": 4}, {"updatedReplicas": 2}, {"availableReplicas": 2}],
    ids=["the spec is not seen yet", "one too many", "one of the old template", "one not available"],
)
def test_a_deployment_in_movement_is_not_settled(change: dict[str, int]):
    assert not workload_of(stored(**change), "orders-db", PLAN).settled


def progressing(status: str, reason: str) -> list[dict[str, str]]:
    return [{"type": "Progressing", "status": status, "reason": reason}]


@pytest.mark.fm(17)
def test_a_rollout_past_its_deadline_is_stuck():
    failed = stored(conditions=progressing("False", "ProgressDeadlineExceeded"))

    assert workload_of(failed, "orders-db", PLAN).stuck == "ProgressDeadlineExceeded"


def test_the_failure_of_a_former_rollout_says_nothing_about_the_one_not_seen_yet():
    former = stored(observedGeneration=3, conditions=progressing("False", "ProgressDeadlineExceeded"))

    assert workload_of(former, "orders-db", PLAN).stuck == ""


@pytest.mark.parametrize(("written", "mark"), [("7", 7), ("", None), ("seven", None), ("-1", None)])
def test_only_a_whole_number_in_our_annotation_is_a_mark(written: str, mark: int | None):
    annotations = {restart_annotation("shop", "orders-db"): written, restart_annotation("shop", "other"): "99"}
    template = {"metadata": {"annotations": annotations}}

    assert workload_of(stored(template=template), "orders-db", PLAN).generation_mark == mark


@pytest.mark.parametrize(
    ("template", "injected"),
    [
        ({"metadata": {"labels": {INJECT: "true"}}}, True),
        ({"spec": {"initContainers": [{"name": "keyturn-probe"}]}}, True),
        ({"metadata": {"labels": {INJECT: "false"}}}, False),
        ({}, False),
    ],
)
def test_a_template_asks_for_the_probe_or_carries_it(template: dict[str, Any], *, injected: bool):
    assert workload_of(stored(template=template), "orders-db", PLAN).injected is injected
