"""A ring at a real API server: its Secret by compare-and-set, the acceptors' own restart, nothing else touched."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from keyturn.api.kinds import CredentialProviderSpec
from keyturn.api.labels import WRITTEN_FOR, acceptors_of, restart_annotation
from keyturn.core.evidence import Testimony
from keyturn.core.model import ObjectKey, Trial
from keyturn.core.sealed import Sealed
from keyturn.kube.cluster import KubeCluster
from keyturn.ports import Awaited, Conflict, Credential, Escrow, PlanRecord, PodRecord, Probes, Provider, ProviderRecord
from keyturn.providers import OpenProviders
from support.cluster_rig import KubeClusterRig
from support.kubectl import Kubectl, SystemClock
from support.postgres_plan import op
from support.ring_rig import FIRST

pytestmark = pytest.mark.contract

OLD = Credential(FIRST, Sealed("current-key-of-a-test-0123456789"))
NEW = Credential("orders-keys-1", Sealed("a-fresh-key-of-a-test-0123456789"))


class NobodyAnswers:
    """Probes of a cluster in which no pod runs."""

    async def arm(self, plan: PlanRecord, generations: Mapping[int, Mapping[str, Sealed]], secret: str) -> None:
        assert (plan.key.name, generations, secret) == ("orders-keys/acceptors", {}, "orders-ring")

    async def challenge(self, plan: PlanRecord, pods: Sequence[PodRecord], *_: Any) -> Mapping[str, Testimony]:
        return {pod.uid: Testimony(silent=f"nobody answers for {plan.key.name}") for pod in pods}


def gate() -> dict[str, Any]:
    variable = {"name": "KEYS", "valueFrom": {"secretKeyRef": {"name": "orders-ring", "key": "keys.json"}}}
    template = {
        "metadata": {"labels": {"app": "gate"}},
        "spec": {"containers": [{"name": "app", "image": "example.test/app:1", "env": [variable]}]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "gate"},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "gate"}}, "template": template},
    }


class Place:
    """A namespace with a ring, a Deployment that reads it, and the plan of its keys."""

    def __init__(self, kubectl: Kubectl, cluster: KubeCluster) -> None:
        self.kubectl, self.cluster = kubectl, cluster
        ring = {"keys.json": json.dumps({OLD.id: OLD.value.reveal_text()}), "theirs": "stays"}
        packed = {key: base64.b64encode(value.encode()).decode() for key, value in ring.items()}
        kubectl.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "orders-ring"}, "data": packed})
        kubectl.apply(gate())
        kubectl("rollout", "status", "deployment/gate", "--timeout=60s")
        kubectl.apply({
            "apiVersion": "keyturn.dev/v1alpha1", "kind": "RotationPlan", "metadata": {"name": "orders-keys"},
            "spec": {
                "providerRef": {"name": "keys"},
                "keyring": {
                    "key": "Hmac", "maxTokenLifetime": "10m",
                    "acceptors": {"secret": {"name": "orders-ring", "key": "keys.json", "format": "JsonMap"}},
                },
                "secret": {"name": "orders-key", "keys": {"KID": "{username}", "KEY": "{password}"}},
                "verify": {"require": ["Process"], "acceptBlindSoak": True}, "retire": {"acceptBlindWatch": True},
            },
        })  # fmt: skip

    async def provider(self) -> Provider:
        plan = await self.cluster.plan(ObjectKey(self.kubectl.namespace, "orders-keys"))
        assert plan is not None
        if await self.cluster.escrow(plan.uid) is None:
            await self.cluster.save_escrow(plan, Escrow({OLD.id: OLD.value, NEW.id: NEW.value}, {}))
        spec = CredentialProviderSpec.model_validate({"keyring": {}})
        record = ProviderRecord("CredentialProvider", ObjectKey(plan.key.namespace, "keys"), "u", 1, spec)
        probes = cast("Probes", NobodyAnswers())
        return OpenProviders(SystemClock(), self.cluster, probes).open(record, plan, None)

    def ring(self) -> dict[str, str]:
        found = self.kubectl.get("secret", "orders-ring")
        assert base64.b64decode(found["data"]["theirs"]) == b"stays"
        return json.loads(base64.b64decode(found["data"]["keys.json"]))

    def marks(self) -> dict[str, str]:
        template = self.kubectl.get("deployment", "gate")["spec"]["template"]
        return template["metadata"].get("annotations", {})


@pytest.fixture
def place(real_cluster: KubeClusterRig) -> Place:
    return Place(real_cluster._kubectl, cast("KubeCluster", real_cluster.cluster))


async def test_a_key_comes_and_goes_by_compare_and_set_and_nothing_else_is_touched(place: Place) -> None:
    provider = await place.provider()
    before = place.ring()
    await provider.ensure(op("Create"), NEW, OLD.id)
    assert place.ring() == {NEW.id: NEW.value.reveal_text(), **before}
    annotations = place.kubectl.get("secret", "orders-ring")["metadata"]["annotations"]
    assert annotations[WRITTEN_FOR].startswith("rotation-1/1 plan=")
    assert [one.id for one in await provider.inventory()] == [NEW.id, OLD.id]
    with pytest.raises(Awaited, match="no pod runs"):
        await provider.test(NEW)
    await provider.disable(op("Discard", 2), NEW.id)
    assert place.ring() == before
    again = await place.provider()
    assert await again.test(Credential(OLD.id, Sealed("another-value"))) is Trial.REFUSED


async def test_a_stale_acceptor_gets_the_mark_of_its_own_plan(place: Place) -> None:
    provider = await place.provider()
    place.kubectl.apply({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "gate-alone", "labels": {"app": "gate"}, "ownerReferences": [
            {"apiVersion": "apps/v1", "kind": "Deployment", "name": "gate", "controller": True,
             "uid": place.kubectl.get("deployment", "gate")["metadata"]["uid"]}]},
        "spec": {**gate()["spec"]["template"]["spec"], "schedulerName": "nobody"},
    })  # fmt: skip
    await provider.ensure(op("Create"), NEW, OLD.id)
    mine = restart_annotation(place.kubectl.namespace, acceptors_of("orders-keys"))
    assert place.marks() == {mine: "1"}
    with pytest.raises(Awaited, match="gate-alone"):
        await provider.test(NEW)


async def test_whoever_wrote_in_between_wins(place: Place) -> None:
    provider = await place.provider()
    secret = place.cluster.secret

    async def overtaken(key: ObjectKey) -> Any:
        found = await secret(key)
        place.kubectl("annotate", "secret", "orders-ring", "touched=yes", "--overwrite")
        return found

    place.cluster.secret = overtaken  # type: ignore[method-assign]
    with pytest.raises(Conflict):
        await provider.ensure(op("Create"), NEW, OLD.id)
    assert set(place.ring()) == {OLD.id}
