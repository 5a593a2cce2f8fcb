"""Which plans an event wakes."""

from __future__ import annotations

from typing import Any

import pytest

from keyturn.core.model import ObjectKey
from keyturn.kube.wakeups import Wakeups


def plan(name: str, provider: str, namespace: str = "shop", **ref: str) -> dict[str, Any]:
    return {"metadata": {"namespace": namespace, "name": name}, "spec": {"providerRef": {"name": provider, **ref}}}


def named(name: str, namespace: str = "") -> dict[str, Any]:
    return {"metadata": {"name": name} | ({"namespace": namespace} if namespace else {})}


@pytest.fixture
def woken() -> list[str]:
    return []


@pytest.fixture
def unhurried() -> list[str]:
    return []


@pytest.fixture
def wakeups(woken: list[str], unhurried: list[str]) -> Wakeups:
    def wake(key: ObjectKey, *, behind: bool = False) -> None:
        woken.append(str(key))
        unhurried.extend([str(key)] * behind)

    return Wakeups(wake)


def test_a_plan_wakes_itself_and_its_deletion_too(wakeups: Wakeups, woken: list[str]):
    wakeups.plan(plan("orders-db", "pg"), gone=False)
    wakeups.plan(plan("orders-db", "pg"), gone=True)

    assert woken == ["shop/orders-db", "shop/orders-db"]


def test_a_rotation_wakes_the_plan_it_names(wakeups: Wakeups, woken: list[str]):
    wakeups.rotation({"metadata": {"namespace": "shop", "name": "r1"}, "spec": {"planRef": {"name": "orders-db"}}})
    wakeups.rotation({"metadata": {"namespace": "shop", "name": "r2"}, "spec": {}})

    assert woken == [str(ObjectKey("shop", "orders-db"))]


def test_a_provider_wakes_the_plans_of_its_namespace_that_name_it_and_no_others(wakeups: Wakeups, woken: list[str]):
    wakeups.plan(plan("orders-db", "pg"), gone=False)
    wakeups.plan(plan("other-provider", "mysql"), gone=False)
    wakeups.plan(plan("other-namespace", "pg", namespace="bank"), gone=False)
    wakeups.plan(plan("other-kind", "pg", kind="ClusterCredentialProvider"), gone=False)
    woken.clear()

    wakeups.provider("CredentialProvider", named("pg", "shop"))

    assert woken == ["shop/orders-db"]


def test_a_cluster_wide_provider_wakes_plans_of_all_namespaces(wakeups: Wakeups, woken: list[str]):
    for namespace in ("shop", "bank"):
        wakeups.plan(plan("orders-db", "pg", namespace=namespace, kind="ClusterCredentialProvider"), gone=False)
    woken.clear()

    wakeups.provider("ClusterCredentialProvider", named("pg"))

    assert woken == ["shop/orders-db", "bank/orders-db"]


def test_a_plan_that_changed_its_provider_or_is_gone_is_not_woken_by_the_former(wakeups: Wakeups, woken: list[str]):
    wakeups.plan(plan("moved", "pg"), gone=False)
    wakeups.plan(plan("moved", "pg-2"), gone=False)
    wakeups.plan(plan("deleted", "pg"), gone=False)
    wakeups.plan(plan("deleted", "pg"), gone=True)
    woken.clear()

    wakeups.provider("CredentialProvider", named("pg", "shop"))

    assert woken == []


@pytest.mark.parametrize(
    ("generation", "status", "behind"),
    [
        (3, {"observedGeneration": 3}, ["shop/orders-db"]),
        (3, {"observedGeneration": 2}, []),
        (1, {}, []),
        (3, {"observedGeneration": 3, "activeRotation": "orders-1"}, []),
    ],
    ids=["at rest", "edited", "new", "rotating"],
)
@pytest.mark.fm(62)
def test_a_plan_at_rest_comes_behind_those_that_somebody_waits_for(
    generation: int, status: dict[str, Any], behind: list[str], wakeups: Wakeups, unhurried: list[str]
):
    found = plan("orders-db", "pg") | {"status": status}
    found["metadata"]["generation"] = generation

    wakeups.plan(found, gone=False)

    assert unhurried == behind


def test_a_rotation_that_is_over_hurries_nobody(wakeups: Wakeups, woken: list[str], unhurried: list[str]):
    phases = ["", "Roll", "Complete", "RolledBack", "Refused"]
    for phase in phases:
        spec = {"planRef": {"name": f"plan-{phase}"}}
        wakeups.rotation({"metadata": {"namespace": "shop"}, "spec": spec, "status": {"phase": phase}})

    assert woken == [f"shop/plan-{phase}" for phase in phases]
    assert unhurried == ["shop/plan-Complete", "shop/plan-RolledBack", "shop/plan-Refused"]


def test_a_provider_that_changed_wakes_its_plans_behind_what_is_under_way(wakeups: Wakeups, unhurried: list[str]):
    wakeups.plan(plan("orders-db", "pg"), gone=False)
    unhurried.clear()

    wakeups.provider("CredentialProvider", named("pg", "shop"))

    assert unhurried == ["shop/orders-db"]
