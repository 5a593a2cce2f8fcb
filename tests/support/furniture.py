"""What stands in a shop: provider, plan, Secrets, and a Deployment whose pods run on a hollow node. Pure data."""

from __future__ import annotations

from collections.abc import Iterator

from keyturn.api.base import API_VERSION
from keyturn.injector.patch import injected, interest_of
from support.kube_api import Json
from support.ware import Stock

PLAN, SECRET, CONSUMER, ADMIN, PROVIDER = "orders", "orders", "orders-api", "rotator", "shop"
VARIABLE = "BACKEND_URL"  # where applications read the URL of their backend
UNMANAGED = {"theirs": "stays as it is"}


def furniture(namespace: str, node: str, backend: str, stock: Stock) -> Iterator[tuple[str, Json]]:
    """(plural, object), in the order in which they are made. ``backend``: its field in provider and plan."""
    plan = rotation_plan(namespace, backend, stock)
    for name, data in ((ADMIN, stock.rotator), (SECRET, {"url": stock.url, **UNMANAGED})):
        yield "secrets", _object("v1", "Secret", name, stringData=data)
    provider = {backend: {"adminSecretRef": {"name": ADMIN}, **stock.provider}, "allow": stock.allow}
    yield "credentialproviders", _object(API_VERSION, "CredentialProvider", PROVIDER, spec=provider)
    yield "deployments", _deployment(namespace, node, plan)
    yield "rotationplans", plan


def rotation_plan(namespace: str, backend: str, stock: Stock) -> Json:
    """In a hurry."""
    return _object(API_VERSION, "RotationPlan", PLAN, namespace, spec={
        "providerRef": {"name": PROVIDER},
        backend: stock.plan,
        "secret": {"name": SECRET, "keys": {"url": stock.template}},
        "rollout": {"progressDeadline": "60s"},
        "verify": {"soak": "1s", **stock.verify},
        "retire": {"watch": "1s", **stock.retire},
        "historyLimit": 1,
    })  # fmt: skip


def rotation(name: str) -> Json:
    """One run of it."""
    return _object(API_VERSION, "Rotation", name, spec={"planRef": {"name": PLAN}})


def _deployment(namespace: str, node: str, plan: Json) -> Json:
    variable = {"name": VARIABLE, "valueFrom": {"secretKeyRef": {"name": SECRET, "key": "url"}}}
    pod = {
        "nodeName": node,
        "terminationGracePeriodSeconds": 1,
        "containers": [{"name": "app", "image": "hollow", "env": [variable]}],
    }
    spec = {
        "replicas": 2,
        "revisionHistoryLimit": 2,
        "selector": {"matchLabels": {"app": CONSUMER}},
        "template": {"metadata": {"labels": {"app": CONSUMER}}, "spec": pod},
    }
    bare = _object("apps/v1", "Deployment", CONSUMER, namespace, spec=spec)
    made, warning = injected(bare, [interest_of(plan)], "keyturn/probe:dev")
    assert not warning, warning
    return made


def _object(version: str, kind: str, name: str, namespace: str = "", **rest: Json) -> Json:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}
