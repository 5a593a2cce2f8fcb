"""What of a watch's news about pods and Deployments is worth another look, and for which plan."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from keyturn.core.model import ConsumerRef, ObjectKey
from keyturn.kube.glances import Glances, Interest

PLAN, OTHER = ObjectKey("shop", "orders-db"), ObjectKey("shop", "bills-db")
INTERESTS = {
    PLAN: Interest("orders-db", frozenset({ConsumerRef("Deployment", "shop", "orders-api")})),
    OTHER: Interest("bills-db", frozenset()),
}
FROM_SECRET = {"name": "URL", "valueFrom": {"secretKeyRef": {"name": "orders-db", "key": "URL"}}}


def pod(
    owner: str = "", *, uses: bool = False, ready: bool = False, restarts: int = 0, phase: str = "Running"
) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "namespace": "shop",
        "name": "one",
        "uid": "one",
        "labels": {"pod-template-hash": "6f9"},
    }
    if owner:
        metadata["ownerReferences"] = [{"controller": True, "kind": "ReplicaSet", "name": f"{owner}-6f9", "uid": "rs"}]
    status = {
        "phase": phase,
        "conditions": [{"type": "Ready", "status": str(ready)}],
        "containerStatuses": [{"name": "app", "restartCount": restarts}],
    }
    spec = {"containers": [{"name": "app", "env": [FROM_SECRET] if uses else []}]}
    return {"metadata": metadata, "spec": spec, "status": status}


def deployment(
    name: str = "orders-api", *, uses: bool = False, updated: int = 2, generation: int = 1
) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "shop", "name": name, "uid": name, "generation": generation},
        "spec": {"replicas": 2, "template": {"spec": pod(uses=uses)["spec"]}},
        "status": {
            "observedGeneration": generation,
            "replicas": 2,
            "updatedReplicas": updated,
            "availableReplicas": 2,
        },
    }


@pytest.mark.parametrize(
    ("found", "concerns"),
    [
        (pod("orders-api"), True),
        (pod("orders-report"), False),
        (pod(uses=True), True),
        (pod(), False),
    ],
    ids=["a consumer's", "another workload's", "a bare one that references the Secret", "a bare one that does not"],
)
def test_a_pod_concerns_the_plan_whose_consumer_runs_it_or_whose_secret_it_references(
    found: dict[str, Any],
    concerns: bool,  # noqa: FBT001 - a parameter of the test
):
    assert Glances().pod(found, INTERESTS, gone=True) == ([PLAN] if concerns else [])


@pytest.mark.parametrize(
    ("change", "wakes"),
    [
        ({"ready": True}, True),
        ({"restarts": 1}, True),
        ({"phase": "Failed"}, True),
        ({"phase": "Pending"}, False),
        ({}, False),
    ],
)
def test_a_pod_wakes_when_a_gate_could_answer_otherwise(
    change: dict[str, Any],
    wakes: bool,  # noqa: FBT001 - a parameter of the test
):
    glances = Glances()

    assert glances.pod(pod("orders-api"), INTERESTS, gone=False) == [], "just made, it tells nothing yet"
    assert bool(glances.pod(pod("orders-api", **change), INTERESTS, gone=False)) is wakes
    assert glances.pod(pod("orders-api", **change), INTERESTS, gone=False) == [], "told already"


def test_a_pod_that_is_gone_wakes_and_is_remembered_no_more():
    glances = Glances()
    glances.pod(pod("orders-api", ready=True), INTERESTS, gone=False)

    assert glances.pod(pod("orders-api", ready=True), INTERESTS, gone=True) == [PLAN]
    assert glances.known == {}


def test_pods_of_nobodys_interest_are_not_remembered():
    glances = Glances()

    glances.pod(pod("orders-report", ready=True), INTERESTS, gone=False)

    assert glances.known == {}


def test_a_deployment_wakes_when_its_template_changes_and_when_its_roll_ends_but_not_for_each_number_in_between():
    glances = Glances()
    glances.workload(deployment(), INTERESTS, gone=False)

    assert glances.workload(deployment(updated=0, generation=2), INTERESTS, gone=False) == [PLAN]
    assert glances.workload(deployment(updated=1, generation=2), INTERESTS, gone=False) == []
    assert glances.workload(deployment(updated=2, generation=2), INTERESTS, gone=False) == [PLAN]


def test_a_deployment_that_begins_to_reference_the_secret_concerns_the_plan():
    glances = Glances()

    assert glances.workload(deployment("orders-new"), INTERESTS, gone=False) == []
    assert glances.workload(deployment("orders-new", uses=True, generation=2), INTERESTS, gone=False) == [PLAN]


def test_a_glance_keeps_nothing_of_the_raw_object():
    glances, found = Glances(), pod("orders-api", ready=True)
    before = copy.deepcopy(found)

    glances.pod(found, INTERESTS, gone=False)

    (kept,) = glances.known.values()
    assert not hasattr(kept, "__dict__")
    assert found == before
