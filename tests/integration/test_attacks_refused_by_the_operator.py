"""What the API server cannot know, the operator refuses: with its shipped rights, at a real API server.

A provider that points at a listening fake, a role of another team, approvals of one's own work, weakened policies.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from keyturn.core.model import Consent, ObjectKey, Phase, Reach
from keyturn.kube.client import KubeClient
from keyturn.kube.cluster import KubeCluster
from keyturn.ports import Probes, RotationRecord
from keyturn.providers import OpenProviders
from keyturn.reconciler.adopt import Adopter
from keyturn.reconciler.approvals import Asking
from keyturn_dev.cluster.api import Cluster
from support.kubectl import SystemClock
from support.shipped import Shipped, shipped
from support.tls import Authority

pytestmark = pytest.mark.integration
Manifest = dict[str, Any]
ANN, BOB, CAROL, OLGA = "ann@example.com", "bob@example.com", "carol@example.com", "olga@example.com"
OURS = {"apiVersion": "keyturn.dev/v1alpha1"}
PASSWORD = "the-rotators-own-password"


@pytest.fixture(scope="module")
def release(cluster: Cluster) -> Iterator[Shipped]:
    with shipped(cluster) as here:
        for user in (ANN, BOB, CAROL, OLGA):
            here.bind(user, "admin")
            here.bind(user, "approver")
            here.must("create", "rolebinding", f"{user}-edit", "--clusterrole=edit", f"--user={user}")
        here.must("create", "secret", "generic", "orders-db", "--from-literal=URL=postgresql://orders_a:x@db")
        yield here


@pytest.fixture
async def operator(release: Shipped, tmp_path: Path) -> AsyncIterator[KubeCluster]:
    """The operator's own view, with the rights of its shipped service account and no others."""
    with release.kubeconfig_of("operator", tmp_path) as kubeconfig:
        async with await KubeClient.connect(kubeconfig) as client:
            yield KubeCluster(client, operator_namespace=release.home, identity="attacked", clock=SystemClock())


@dataclass
class FakeServer:
    """Listens where a database would, says no to TLS, and keeps every byte it is sent."""

    port: int = 0
    visitors: int = 0
    heard: bytearray = field(default_factory=bytearray)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visitors += 1
        writer.write(b"N" + b"R\x00\x00\x00\x08\x00\x00\x00\x03")  # no TLS here; and: send the password in clear text
        while data := await reader.read(1024):
            self.heard += data
        writer.close()


@pytest.fixture
async def fake() -> AsyncIterator[FakeServer]:
    server = FakeServer()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield server


def provider(port: int = 5432, *, host: str = "postgres.shop.svc", minimum: int = 0) -> Manifest:
    spec = {
        "postgres": {
            "adminSecretRef": {"name": "postgres-rotator"},
            "endpoints": [{"host": host, "port": port}],
            "database": "shop",
        },
        "allow": {"owners": ["orders_owner"], "slots": ["orders_*"]},
        "approvals": {"minimum": minimum},
    }
    marks = {"edited-by.keyturn.dev/olga": OLGA}
    return OURS | {"kind": "CredentialProvider", "metadata": {"name": "db", "annotations": marks}, "spec": spec}


def plan(**postgres: object) -> Manifest:
    spec = {
        "providerRef": {"name": "db"},
        "postgres": {"owner": "orders_owner", "slots": ["orders_a", "orders_b"]} | postgres,
        "secret": {"name": "orders-db", "keys": {"URL": "postgresql://{username}:{password}@{host}"}},
        "retire": {"approvals": 1},
    }
    marks = {"edited-by.keyturn.dev/carol": CAROL}
    return OURS | {"kind": "RotationPlan", "metadata": {"name": "orders-db", "annotations": marks}, "spec": spec}


def admin_secret(release: Shipped, host: str, port: int) -> None:
    data = {
        "user": "keyturn_rotator",
        "password": PASSWORD,
        "host": host,
        "port": str(port),
        "ca.crt": Authority().ca_pem.decode(),
    }
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "postgres-rotator"}, "stringData": data}
    release.must("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=body)


def put(release: Shipped, who: str, manifest: Manifest) -> None:
    release.must("apply", "--server-side", "--force-conflicts", "-f", "-", as_=who, stdin=manifest)


def stands(release: Shipped) -> str:
    conditions = release.get("rotationplan", "orders-db")["status"]["conditions"]
    return next(f"{c['reason']}: {c['message']}" for c in conditions if c["type"] == "Ready")


async def opened(release: Shipped, operator: KubeCluster) -> Any:
    """As each tick begins: the plan's provider, or None with the reason in the plan's conditions."""
    probes, clock = cast("Probes", None), SystemClock()
    adopter = Adopter(operator, OpenProviders(clock, operator, probes), probes, clock)
    found = await operator.plan(ObjectKey(release.shop, "orders-db"))
    assert found is not None
    return await adopter.open(found, None)


async def test_a_provider_pointed_at_a_fake_server_is_refused_and_the_fake_never_hears_of_us(
    release: Shipped, operator: KubeCluster, fake: FakeServer
) -> None:
    admin_secret(release, "postgres.shop.svc", 5432)
    put(release, OLGA, provider(fake.port, host="127.0.0.1"))
    put(release, CAROL, plan())
    assert await opened(release, operator) is None
    assert stands(release).startswith(
        "HostNotAllowed: spec.postgres.endpoints[0].host is not a host that the admin Secret"
    )
    assert fake.visitors == 0


async def test_a_fake_server_that_even_the_admin_secret_names_is_sent_no_password(
    release: Shipped, operator: KubeCluster, fake: FakeServer
) -> None:
    """Whoever redirects the name, as DNS can: without TLS that verifies, the conversation ends before the password."""
    admin_secret(release, "127.0.0.1", fake.port)
    put(release, OLGA, provider(fake.port, host="127.0.0.1"))
    put(release, CAROL, plan())
    found = await opened(release, operator)
    assert found is not None
    try:
        assert await found.provider.reach() is not Reach.UP
    finally:
        await found.provider.close()
    assert fake.visitors > 0
    assert PASSWORD.encode() not in fake.heard
    assert len(fake.heard) <= 8 * fake.visitors  # the request for TLS, and nothing after the answer


async def test_a_plan_that_reaches_for_another_teams_role_is_refused_with_the_field(
    release: Shipped, operator: KubeCluster
) -> None:
    admin_secret(release, "postgres.shop.svc", 5432)
    put(release, OLGA, provider())
    put(release, CAROL, plan(owner="payroll_owner"))
    assert await opened(release, operator) is None
    assert stands(release).startswith("OwnerNotAllowed: spec.postgres.owner 'payroll_owner'")
    put(release, CAROL, plan(slots=["orders_a", "payroll_b"]))
    assert await opened(release, operator) is None
    assert stands(release).startswith("SlotNotAllowed: spec.postgres.slots[1] 'payroll_b'")


@pytest.fixture
async def asked(release: Shipped, operator: KubeCluster) -> RotationRecord:
    """Ann asked for a rotation of a plan that Carol edited, at a provider that Olga edited."""
    put(release, OLGA, provider(minimum=1))
    put(release, CAROL, plan())
    release.run("delete", "rotation,rotationapproval", "--all")
    spec = {"planRef": {"name": "orders-db"}, "requestedBy": ANN}
    put(release, ANN, OURS | {"kind": "Rotation", "metadata": {"name": "orders-db-1"}, "spec": spec})
    (record,) = await operator.rotations(ObjectKey(release.shop, "orders-db"))
    return record


async def consent(release: Shipped, operator: KubeCluster, asked: RotationRecord) -> Consent:
    found = await operator.plan(ObjectKey(release.shop, "orders-db"))
    assert found is not None
    return await Asking(operator).consent(Phase.APPROVE, asked, found, await operator.provider(found), [])


def approve(release: Shipped, who: str, asked: RotationRecord, digest: str) -> None:
    name = f"{who.partition('@')[0]}-{digest[:6]}"
    spec = {"rotationRef": {"name": asked.key.name, "uid": asked.uid}, "digest": digest, "approver": who}
    body = OURS | {"kind": "RotationApproval", "metadata": {"name": name}, "spec": spec}
    release.must("create", "-f", "-", as_=who, stdin=body)


async def test_only_an_outsiders_approval_of_what_is_carried_out_counts_and_only_while_it_stands(
    release: Shipped, operator: KubeCluster, asked: RotationRecord
) -> None:
    digest = (await consent(release, operator, asked)).digest
    for insider in (ANN, CAROL, OLGA):
        approve(release, insider, asked, digest)
    approve(release, BOB, asked, "b" * 64)
    void = await consent(release, operator, asked)
    assert void.approvers == ()
    told = " ".join(problem.message for problem in void.void)
    for why in (
        f"{ANN} does not count: this person asked for the rotation",
        f"{CAROL} does not count: this person edited the plan",
        f"{OLGA} does not count: this person edited the provider",
        f"{BOB} does not count: something it was about has changed since",
    ):
        assert why in told
    approve(release, BOB, asked, digest)
    assert (await consent(release, operator, asked)).approvers == (BOB,)
    release.must("delete", "rotationapproval", f"bob-{digest[:6]}", as_=BOB)
    assert (await consent(release, operator, asked)).approvers == ()


async def test_a_provider_edited_after_the_approval_voids_it_and_bars_its_editor(
    release: Shipped, operator: KubeCluster, asked: RotationRecord
) -> None:
    digest = (await consent(release, operator, asked)).digest
    approve(release, BOB, asked, digest)
    change = {"metadata": {"annotations": {"edited-by.keyturn.dev/bob": BOB}}, "spec": {"approvals": {"minimum": 2}}}
    release.must("patch", "credentialprovider", "db", "--type=merge", "-p", json.dumps(change), as_=BOB)
    after = await consent(release, operator, asked)
    assert after.digest != digest
    assert after.needed == 2
    assert after.approvers == ()
    approve(release, BOB, asked, after.digest)
    assert (await consent(release, operator, asked)).approvers == ()
    release.must("delete", "credentialprovider", "db")


async def test_with_a_weakened_policy_no_approval_counts_until_it_is_put_back(
    release: Shipped, operator: KubeCluster, asked: RotationRecord
) -> None:
    policy = f"{release.release}-approvals"
    approve(release, BOB, asked, (await consent(release, operator, asked)).digest)
    assert (await consent(release, operator, asked)).barred is None
    for kind, weaker, former in (
        ("validatingadmissionpolicy", {"failurePolicy": "Ignore"}, {"failurePolicy": "Fail"}),
        ("validatingadmissionpolicybinding", {"validationActions": ["Warn"]}, {"validationActions": ["Deny"]}),
    ):
        release.must("patch", kind, policy, "--type=merge", "-p", json.dumps({"spec": weaker}))
        barred = (await consent(release, operator, asked)).barred
        release.must("patch", kind, policy, "--type=merge", "-p", json.dumps({"spec": former}))
        assert barred is not None
        assert barred.reason == "PolicyMissing"
        assert policy in barred.message
        assert (await consent(release, operator, asked)).approvers == (BOB,)


async def test_who_edited_is_forgotten_by_the_operator_alone_once_the_rotation_is_complete(
    release: Shipped, operator: KubeCluster, asked: RotationRecord
) -> None:
    found = await operator.plan(ObjectKey(release.shop, "orders-db"))
    assert found is not None
    await operator.begin_record(found)
    marks = release.get("rotationplan", "orders-db")["metadata"]["annotations"]
    assert marks == {"edited-by.keyturn.dev/since-complete": release.operator}
    assert (await consent(release, operator, asked)).barred is None
