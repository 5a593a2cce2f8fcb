"""``doctor`` against a real API server: it sees the shipped policies stand, one that was weakened, and new power."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from keyturn.cli.doctor import Diagnosis, doctor
from keyturn.cli.session import Session
from keyturn.kube.client import KubeClient
from keyturn_dev.cluster.api import Cluster
from support.shipped import Shipped, shipped

pytestmark = pytest.mark.integration


@pytest.fixture
def release(cluster: Cluster) -> Iterator[Shipped]:
    """With an operator's Deployment of no pods: doctor asks it for the service account."""
    with shipped(cluster) as here:
        marks = {"app.kubernetes.io/name": "keyturn", "app.kubernetes.io/component": "operator"}
        spec = {"serviceAccountName": f"{here.release}-operator", "containers": [{"name": "x", "image": "x"}]}
        template = {"metadata": {"labels": marks}, "spec": spec}
        body = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "operator", "labels": marks | {"release": here.release}},
            "spec": {"replicas": 0, "selector": {"matchLabels": marks}, "template": template},
        }
        here.must("create", "-f", "-", namespace=here.home, stdin=body)
        yield here


async def examined(release: Shipped, client: KubeClient) -> Diagnosis:
    found = await doctor(Session(client, release.shop))
    assert found.operator == release.operator
    return found


async def test_doctor_sees_policies_that_stand_one_that_was_weakened_and_who_got_power(
    release: Shipped, client: KubeClient
) -> None:
    well = await examined(release, client)
    assert well.flaws == ()
    assert all("mallory@example.com" not in power.who for power in well.powers)
    assert all("Group system:masters" in power.who for power in well.powers)
    escrow = next(power for power in well.powers if "escrow" in power.what)
    assert f"ServiceAccount {release.home}/{release.release}-operator" in escrow.who

    policy = f"{release.release}-requests"
    weaker = json.dumps({"spec": {"failurePolicy": "Ignore"}})
    release.must("patch", "validatingadmissionpolicy", policy, "--type=merge", "-p", weaker)
    rules = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
    release.allow("mallory@example.com", rules, namespace=release.home)
    ill = await examined(release, client)
    assert [policy in flaw for flaw in ill.flaws] == [True]
    assert ["escrow" in power.what for power in ill.powers if "mallory@example.com" in str(power.who)] == [True]
