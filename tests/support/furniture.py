"""What stands in a shop: provider, plan, Secrets, and a Deployment whose pods run on a hollow node. Pure data."""

from __future__ import annotations

from collections.abc import Iterator

from keyturn.api.base import API_VERSION
from keyturn.injector.patch import injected, interest_of
from support.kube_api import Json
from support.postgres_plan import CURRENT, OWNER, ROTATOR, ROTATOR_PASSWORD, SLOT_A, SLOT_B

PLAN, SECRET, CONSUMER, ADMIN = "orders-db", "orders-db", "orders-api", "postgres-rotator"
UNMANAGED = {"theirs": "stays as it is"}


def furniture(namespace: str, node: str, backend: int) -> Iterator[tuple[str, Json]]:
    """(plural, object), in the order in which they are made. ``backend``: a port of 127.0.0.1."""
    url = f"postgresql://{CURRENT.id}:{CURRENT.value.reveal_text()}@127.0.0.1:{backend}/shop"
    rotator = {"user": ROTATOR, "password": ROTATOR_PASSWORD, "host": "127.0.0.1", "port": str(backend)}
    plan = rotation_plan(namespace)
    for name, data in ((ADMIN, rotator), (SECRET, {"url": url, **UNMANAGED})):
        yield "secrets", _object("v1", "Secret", name, stringData=data)
    yield "credentialproviders", _object(API_VERSION, "CredentialProvider", "shop-postgres", spec=_provider(backend))
    yield "deployments", _deployment(namespace, node, plan)
    yield "rotationplans", plan


def rotation_plan(namespace: str) -> Json:
    """In a hurry."""
    return _object(API_VERSION, "RotationPlan", PLAN, namespace, spec={
        "providerRef": {"name": "shop-postgres"},
        "postgres": {"owner": OWNER, "slots": [SLOT_A, SLOT_B]},
        "secret": {"name": SECRET, "keys": {"url": "postgresql://{username}:{password}@{host}:{port}/{database}"}},
        "rollout": {"progressDeadline": "60s"},
        "verify": {"soak": "1s"},
        "retire": {"watch": "1s", "acceptBlindWatch": True},
        "historyLimit": 1,
    })  # fmt: skip


def rotation(name: str) -> Json:
    """One run of it."""
    return _object(API_VERSION, "Rotation", name, spec={"planRef": {"name": PLAN}})


def _provider(backend: int) -> Json:
    endpoint = {"name": "primary", "host": "127.0.0.1", "port": backend}
    postgres = {"adminSecretRef": {"name": ADMIN}, "endpoints": [endpoint], "database": "shop", "insecure": True}
    return {"postgres": postgres, "allow": {"owners": [OWNER], "slots": ["orders_*"]}}


def _deployment(namespace: str, node: str, plan: Json) -> Json:
    variable = {"name": "DATABASE_URL", "valueFrom": {"secretKeyRef": {"name": SECRET, "key": "url"}}}
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
