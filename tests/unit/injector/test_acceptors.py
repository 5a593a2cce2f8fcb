"""Pods that judge keys get a probe that watches the ring, as for a plan of its own."""

from __future__ import annotations

from typing import Any

from keyturn.injector.patch import injected, interest_of

Json = dict[str, Any]
_RING = {
    "metadata": {"namespace": "shop", "name": "orders-key"},
    "spec": {
        "secret": {"name": "orders-key", "keys": {"KEY": "{password}"}},
        "keyring": {"acceptors": {"secret": {"name": "orders-ring", "key": "keys.json", "format": "JsonMap"}}},
    },
}


def reading(*secrets: tuple[str, str]) -> Json:
    env = [{"name": key.upper(), "valueFrom": {"secretKeyRef": {"name": name, "key": key}}} for name, key in secrets]
    return {"kind": "Pod", "metadata": {}, "spec": {"containers": [{"name": "app", "env": env}]}}


def test_who_only_accepts_is_watched_for_the_ring_under_a_plan_of_its_own() -> None:
    document = reading(("orders-ring", "keys.json"))
    changed, warning = injected(document, [interest_of(_RING)], "probe:1")
    assert warning == ""
    probe = changed["spec"]["initContainers"][0]
    (watch,) = [one["value"] for one in probe["env"] if one["name"] == "KEYTURN_WATCH"]
    ring = interest_of(_RING).acceptors[0]
    assert watch.splitlines() == [
        f"plan {ring.identity} orders-key/acceptors",
        "env app keys.json KEYS.JSON",
    ]
    secrets = [one["secret"]["secretName"] for one in changed["spec"]["volumes"] if "secret" in one]
    assert secrets == ["keyturn-acceptors-orders-key"]
    assert ring.annotation != interest_of(_RING).annotation


def test_who_presents_and_accepts_is_watched_for_both() -> None:
    document = reading(("orders-ring", "keys.json"), ("orders-key", "KEY"))
    changed, warning = injected(document, [interest_of(_RING)], "probe:1")
    assert warning == ""
    secrets = [one["secret"]["secretName"] for one in changed["spec"]["volumes"] if "secret" in one]
    assert secrets == ["keyturn-probe-orders-key", "keyturn-acceptors-orders-key"]


def test_no_plans_name_can_be_taken_for_the_acceptors_of_another() -> None:
    odd = {**_RING, "metadata": {"namespace": "shop", "name": "orders-key.acceptors"}}
    names = {one.identity for plan in (_RING, odd) for one in (interest_of(plan), *interest_of(plan).acceptors)}
    assert len(names) == 4
