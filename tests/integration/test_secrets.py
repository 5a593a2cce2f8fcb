"""Secrets at a real API server: narrow writes that never clobber, never resurrect, and never say a value."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from keyturn.core.model import ObjectKey
from keyturn.core.sealed import Sealed
from keyturn.kube.client import KubeClient
from keyturn.kube.cluster import KubeCluster
from keyturn.ports import Conflict, Denied, SecretRecord, Unavailable
from support.kubectl import Kubectl

pytestmark = pytest.mark.integration

OLD, NEW = "postgresql://orders_a:old-value-0123456789@db/shop", "postgresql://orders_b:new-value-0123456789@db/shop"

TAG = "rotation-uid/1"


def manifest(extra: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "orders-db", **metadata},
        "stringData": {"DATABASE_URL": OLD, "OTHER": "left alone"},
    } | (extra or {})


def as_data(value: str) -> str:
    return json.dumps({"data": {"DATABASE_URL": base64.b64encode(value.encode()).decode()}})


async def read(world: KubeCluster, namespace: str) -> SecretRecord:
    found = await world.secret(ObjectKey(namespace, "orders-db"))
    assert found is not None
    return found


def held(kubectl: Kubectl) -> dict[str, str]:
    data = kubectl.get("secret", "orders-db").get("data", {})
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


async def test_a_secret_that_does_not_exist_reads_as_nothing(world: KubeCluster, namespace: str):
    assert await world.secret(ObjectKey(namespace, "orders-db")) is None


async def test_only_the_managed_key_is_written_and_keyturn_owns_only_that(
    world: KubeCluster, namespace: str, kubectl: Kubectl
):
    kubectl("create", "-f", "-", "--field-manager=kubectl", stdin=manifest(labels={"team": "orders"}))
    before = await read(world, namespace)

    await world.write_secret(before, {"DATABASE_URL": Sealed(NEW)}, TAG)

    assert held(kubectl) == {"DATABASE_URL": NEW, "OTHER": "left alone"}
    assert kubectl.get("secret", "orders-db")["metadata"]["labels"] == {"team": "orders"}
    after = await read(world, namespace)
    assert after.writers == {"DATABASE_URL": "keyturn", "OTHER": "kubectl"}
    assert after.uid == before.uid


@pytest.mark.fm(12)
async def test_a_write_decided_on_an_older_version_is_refused_and_changes_nothing(
    world: KubeCluster, namespace: str, kubectl: Kubectl
):
    kubectl.apply(manifest())
    stale = await read(world, namespace)
    kubectl("annotate", "secret", "orders-db", "touched=yes")

    with pytest.raises(Conflict):
        await world.write_secret(stale, {"DATABASE_URL": Sealed(NEW)}, TAG)

    assert held(kubectl)["DATABASE_URL"] == OLD


@pytest.mark.fm(15)
async def test_a_secret_deleted_in_between_is_not_resurrected(world: KubeCluster, namespace: str, kubectl: Kubectl):
    kubectl.apply(manifest())
    gone = await read(world, namespace)
    kubectl("delete", "secret", "orders-db")

    with pytest.raises(Conflict):
        await world.write_secret(gone, {"DATABASE_URL": Sealed(NEW)}, TAG)

    assert await world.secret(ObjectKey(namespace, "orders-db")) is None


@pytest.mark.fm(15)
async def test_a_secret_made_anew_under_the_name_is_not_written(world: KubeCluster, namespace: str, kubectl: Kubectl):
    kubectl.apply(manifest())
    former = await read(world, namespace)
    kubectl("delete", "secret", "orders-db")
    kubectl.apply(manifest())

    with pytest.raises(Conflict):
        await world.write_secret(former, {"DATABASE_URL": Sealed(NEW)}, TAG)

    assert held(kubectl)["DATABASE_URL"] == OLD


async def test_a_key_that_is_no_longer_managed_stays_in_the_secret(
    world: KubeCluster, namespace: str, kubectl: Kubectl
):
    kubectl("create", "secret", "generic", "orders-db", "--from-literal=KEEP=me")
    await world.write_secret(await read(world, namespace), {"URL": Sealed(OLD), "DSN": Sealed(OLD)}, TAG)

    await world.write_secret(await read(world, namespace), {"URL": Sealed(NEW)}, TAG)

    assert held(kubectl) == {"KEEP": "me", "URL": NEW, "DSN": OLD}


async def test_writing_what_is_there_already_does_not_change_the_object(
    world: KubeCluster, namespace: str, kubectl: Kubectl
):
    kubectl.apply(manifest())
    await world.write_secret(await read(world, namespace), {"DATABASE_URL": Sealed(NEW)}, TAG)
    once = await read(world, namespace)

    await world.write_secret(once, {"DATABASE_URL": Sealed(NEW)}, TAG)

    assert (await read(world, namespace)).resource_version == once.resource_version


@pytest.mark.fm(13)
async def test_another_writer_is_named(world: KubeCluster, namespace: str, kubectl: Kubectl):
    kubectl.apply(manifest())
    await world.write_secret(await read(world, namespace), {"DATABASE_URL": Sealed(NEW)}, TAG)

    kubectl("patch", "secret", "orders-db", "--field-manager=some-pipeline", "-p", as_data(OLD))

    found = await read(world, namespace)
    assert found.writers["DATABASE_URL"] == "some-pipeline"
    assert found.data["DATABASE_URL"] == Sealed(OLD)


async def test_a_writer_by_string_data_is_named_although_keyturn_still_seems_to_own_the_key(
    world: KubeCluster, namespace: str, kubectl: Kubectl
):
    kubectl.apply(manifest(), manager="by-string-data")
    await world.write_secret(await read(world, namespace), {"DATABASE_URL": Sealed(NEW)}, TAG)
    kubectl.apply(manifest(), manager="by-string-data")

    found = await read(world, namespace)
    assert found.data["DATABASE_URL"] == Sealed(OLD)
    assert found.writers["DATABASE_URL"] == "by-string-data"


async def test_a_key_beside_a_writer_by_string_data_is_not_deleted_when_it_is_no_longer_managed(
    world: KubeCluster, namespace: str, kubectl: Kubectl
):
    kubectl.apply(manifest(), manager="by-string-data")
    await world.write_secret(await read(world, namespace), {"DATABASE_URL": Sealed(NEW), "OTHER": Sealed(NEW)}, TAG)

    await world.write_secret(await read(world, namespace), {"DATABASE_URL": Sealed(OLD)}, TAG)

    assert held(kubectl) == {"DATABASE_URL": OLD, "OTHER": NEW}


@pytest.mark.fm(14)
async def test_an_immutable_secret_is_seen_and_not_written(world: KubeCluster, namespace: str, kubectl: Kubectl):
    kubectl.apply(manifest({"immutable": True}))
    found = await read(world, namespace)

    assert found.immutable
    with pytest.raises(Denied, match="SecretImmutable"):
        await world.write_secret(found, {"DATABASE_URL": Sealed(NEW)}, TAG)


@pytest.mark.parametrize("value", ["", "   ", "\n", "********", "xxxxx", "----"])
async def test_an_empty_blank_or_redacted_looking_value_is_refused_before_it_is_sent(
    world: KubeCluster, namespace: str, kubectl: Kubectl, value: str
):
    kubectl.apply(manifest())

    with pytest.raises(Denied, match="HollowValue"):
        await world.write_secret(await read(world, namespace), {"DATABASE_URL": Sealed(value)}, TAG)

    assert held(kubectl)["DATABASE_URL"] == OLD


async def test_binary_values_survive_byte_for_byte(world: KubeCluster, namespace: str, kubectl: Kubectl):
    kubectl.apply(manifest())
    raw = bytes(range(256))

    await world.write_secret(await read(world, namespace), {"DATABASE_URL": Sealed(raw)}, TAG)

    assert (await read(world, namespace)).data["DATABASE_URL"].reveal() == raw


@pytest.mark.fm(14)
@pytest.mark.parametrize(
    ("metadata", "named"),
    [
        ({"labels": {"reconcile.external-secrets.io/managed": "true"}}, "External Secrets"),
        ({"annotations": {"sealedsecrets.bitnami.com/managed": "true"}}, "Sealed Secrets"),
        ({"labels": {"app.kubernetes.io/managed-by": "hashicorp-vso"}}, "Vault Secrets Operator"),
        ({"labels": {"cnpg.io/cluster": "orders"}}, "CloudNativePG"),
        ({"annotations": {"cert-manager.io/certificate-name": "orders"}}, "cert-manager"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_secret_that_another_tool_marked_as_its_own_says_whose(
    world: KubeCluster, namespace: str, kubectl: Kubectl, metadata: dict[str, Any], named: str
):
    kubectl.apply(manifest(**metadata))

    assert named in (await read(world, namespace)).controlled_by


@pytest.mark.fm(14)
async def test_a_secret_controlled_through_an_owner_reference_names_the_owner(
    world: KubeCluster, namespace: str, kubectl: Kubectl
):
    kubectl("create", "configmap", "stand-in")
    owner = kubectl.get("configmap", "stand-in")["metadata"]
    reference = {"apiVersion": "bitnami.com/v1alpha1", "kind": "SealedSecret", "name": "orders-db", "uid": owner["uid"]}
    kubectl("create", "-f", "-", stdin=manifest(ownerReferences=[reference | {"controller": True}]))

    assert (await read(world, namespace)).controlled_by == "SealedSecret/orders-db (bitnami.com)"


@pytest.mark.fm(14)
async def test_a_secret_whose_contents_come_from_git_names_the_tool_and_the_key(
    world: KubeCluster, namespace: str, kubectl: Kubectl
):
    kubectl.apply(manifest(), manager="kustomize-controller")

    assert "Flux" in (await read(world, namespace)).controlled_by


async def test_an_ordinary_secret_is_controlled_by_nobody(world: KubeCluster, namespace: str, kubectl: Kubectl):
    kubectl.apply(manifest(labels={"app.kubernetes.io/managed-by": "Helm"}))

    assert (await read(world, namespace)).controlled_by == ""


async def test_the_probes_secret_is_made_brought_up_to_date_and_left_alone_when_right(
    world: KubeCluster, namespace: str, kubectl: Kubectl
):
    await world.apply_secret(namespace, "orders-db", {"key": b"k1", "accept": b"a1"})
    await world.apply_secret(namespace, "orders-db", {"key": b"k1", "accept": b"a2"})
    right = await read(world, namespace)
    await world.apply_secret(namespace, "orders-db", {"key": b"k1", "accept": b"a2"})

    assert held(kubectl) == {"key": "k1", "accept": "a2"}
    assert (await read(world, namespace)).resource_version == right.resource_version


@pytest.mark.fm(38)
async def test_the_probes_secret_is_not_written_over_what_came_in_between(
    world: KubeCluster, namespace: str, kubectl: Kubectl, client: KubeClient
):
    await world.apply_secret(namespace, "orders-db", {"key": b"k1", "accept": b"a1"})

    client.fenced_by(lambda: kubectl("annotate", "--overwrite", "secret", "orders-db", "touched=yes") and None)
    with pytest.raises(Conflict):
        await world.apply_secret(namespace, "orders-db", {"key": b"k1", "accept": b"a2"})

    assert held(kubectl) == {"key": "k1", "accept": "a1"}


async def test_a_secret_of_somebody_else_is_not_taken_for_the_probes(
    world: KubeCluster, namespace: str, kubectl: Kubectl
):
    kubectl.apply(manifest())

    with pytest.raises(Denied, match="SecretNotOurs"):
        await world.apply_secret(namespace, "orders-db", {"key": b"k1"})

    assert held(kubectl)["DATABASE_URL"] == OLD


@pytest.mark.fm(38, 52)
async def test_a_process_that_does_not_lead_any_more_writes_nothing(
    world: KubeCluster, namespace: str, kubectl: Kubectl, client: KubeClient
):
    kubectl.apply(manifest())
    found = await read(world, namespace)

    def closed() -> None:
        raise Unavailable("NotLeading", "another replica leads")

    client.fenced_by(closed)
    with pytest.raises(Unavailable, match="NotLeading"):
        await world.write_secret(found, {"DATABASE_URL": Sealed(NEW)}, TAG)

    assert held(kubectl)["DATABASE_URL"] == OLD


@pytest.mark.fm(60)
async def test_no_error_and_no_record_says_a_value(world: KubeCluster, namespace: str, kubectl: Kubectl):
    kubectl.apply(manifest())
    found = await read(world, namespace)
    kubectl("annotate", "secret", "orders-db", "touched=yes")

    with pytest.raises(Conflict) as refused:
        await world.write_secret(found, {"DATABASE_URL": Sealed(NEW)}, TAG)

    said = f"{refused.value} {refused.value!r} {found!r} {refused.value.__cause__!r}"
    for value in (OLD, NEW):
        assert value not in said
        assert base64.b64encode(value.encode()).decode() not in said
