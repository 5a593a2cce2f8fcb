"""Our own kinds at a real API server: status by compare-and-set alone, finalizer, Rotations made once."""

from __future__ import annotations

from typing import Any

import pytest

from keyturn.api.kinds import PlanStatus, RotationSpec, RotationStatus
from keyturn.core.model import ObjectKey
from keyturn.kube.cluster import KubeCluster
from keyturn.kube.plans import plan_of, rotation_of
from keyturn.ports import Announcement, Conflict, Misconfigured, PlanRecord, RotationRecord
from support.kubectl import Kubectl

pytestmark = pytest.mark.integration

SPEC = {"planRef": {"name": "orders-db"}, "reason": "Requested", "requestedBy": "ann"}


def manifest(kind: str, name: str, spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "keyturn.dev/v1alpha1", "kind": kind, "metadata": {"name": name, **metadata}, "spec": spec}


def plan_manifest(name: str = "orders-db", provider: str = "shop-postgres", **ref: str) -> dict[str, Any]:
    return manifest(
        "RotationPlan",
        name,
        {
            "providerRef": {"name": provider, **ref},
            "postgres": {"owner": "orders_owner", "slots": ["orders_a", "orders_b"]},
            "secret": {"name": "orders-db", "keys": {"URL": "postgresql://{username}:{password}@{host}"}},
        },
    )


def provider_spec() -> dict[str, Any]:
    return {
        "postgres": {
            "adminSecretRef": {"name": "rotator"},
            "endpoints": [{"name": "primary", "host": "postgres.shop.svc"}],
            "database": "shop",
        },
        "allow": {"owners": ["orders_owner"], "slots": ["orders_*"]},
    }


@pytest.fixture
async def plan(world: KubeCluster, namespace: str, kubectl: Kubectl) -> PlanRecord:
    kubectl.apply(plan_manifest())
    return await read(world, namespace)


async def read(world: KubeCluster, namespace: str) -> PlanRecord:
    found = await world.plan(ObjectKey(namespace, "orders-db"))
    assert found is not None
    return found


async def only_rotation(world: KubeCluster, namespace: str) -> RotationRecord:
    (found,) = await world.rotations(ObjectKey(namespace, "orders-db"))
    return found


async def test_status_is_saved_and_the_answer_can_be_saved_again(world: KubeCluster, namespace: str, plan: PlanRecord):
    once = await world.save_plan(plan, PlanStatus(current_id="orders_a", generation=3))
    twice = await world.save_plan(once, once.status.model_copy(update={"generation": 4}))

    assert twice.status.generation == 4
    assert (await read(world, namespace)).status.current_id == "orders_a"
    assert twice.spec == plan.spec


@pytest.mark.fm(44, 50)
async def test_of_two_who_save_from_the_same_reading_the_second_one_loses(
    world: KubeCluster, namespace: str, plan: PlanRecord
):
    await world.save_plan(plan, PlanStatus(generation=1))

    with pytest.raises(Conflict):
        await world.save_plan(plan, PlanStatus(generation=2))

    assert (await read(world, namespace)).status.generation == 1


async def test_saving_the_status_of_a_plan_made_anew_is_refused(
    world: KubeCluster, namespace: str, kubectl: Kubectl, plan: PlanRecord
):
    kubectl("delete", "rotationplan", "orders-db")
    kubectl.apply(plan_manifest())

    with pytest.raises(Conflict):
        await world.save_plan(plan, PlanStatus(generation=9))

    assert (await read(world, namespace)).status.generation == 0


@pytest.mark.fm(58)
async def test_the_finalizer_holds_a_deleted_plan_until_it_is_released_and_those_of_others_stay(
    world: KubeCluster, namespace: str, kubectl: Kubectl, plan: PlanRecord
):
    kubectl(
        "patch", "rotationplan", "orders-db", "--type=merge", "-p", '{"metadata":{"finalizers":["example.com/other"]}}'
    )
    await world.hold_plan(await read(world, namespace), hold=True)
    kubectl("delete", "rotationplan", "orders-db", "--wait=false")

    held = await read(world, namespace)
    assert held.deleting
    assert held.deleted_at is not None
    assert set(held.finalizers) == {"example.com/other", "keyturn.dev/guard"}

    await world.hold_plan(held, hold=False)
    assert (await read(world, namespace)).finalizers == ("example.com/other",)
    kubectl("patch", "rotationplan", "orders-db", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')


async def test_a_finalizer_put_on_an_older_reading_is_refused(world: KubeCluster, kubectl: Kubectl, plan: PlanRecord):
    kubectl("annotate", "rotationplan", "orders-db", "touched=yes")

    with pytest.raises(Conflict):
        await world.hold_plan(plan, hold=True)


async def test_a_rotation_is_made_once_and_goes_with_its_plan(
    world: KubeCluster, namespace: str, kubectl: Kubectl, plan: PlanRecord
):
    spec = RotationSpec.model_validate(SPEC)
    await world.create_rotation(plan, "orders-db-1", spec)
    await world.create_rotation(plan, "orders-db-1", spec)

    made = await only_rotation(world, namespace)
    assert made.spec == spec
    (owner,) = kubectl.get("rotation", "orders-db-1")["metadata"]["ownerReferences"]
    assert (owner["uid"], owner["controller"]) == (plan.uid, True)


async def test_only_the_rotations_of_a_plan_are_its_own_whoever_made_them(
    world: KubeCluster, namespace: str, kubectl: Kubectl, plan: PlanRecord
):
    kubectl.apply(manifest("Rotation", "by-hand", SPEC))
    kubectl.apply(manifest("Rotation", "of-another", SPEC | {"planRef": {"name": "another"}}))

    assert (await only_rotation(world, namespace)).key.name == "by-hand"


@pytest.mark.fm(44, 50)
async def test_the_status_of_a_rotation_is_saved_by_compare_and_set(
    world: KubeCluster, namespace: str, kubectl: Kubectl, plan: PlanRecord
):
    kubectl.apply(manifest("Rotation", "by-hand", SPEC))
    made = await only_rotation(world, namespace)
    saved = await world.save_rotation(made, RotationStatus(phase="Preflight", generation=1, plan=plan.spec))

    assert saved.status.phase == "Preflight"
    assert saved.status.plan == plan.spec
    with pytest.raises(Conflict):
        await world.save_rotation(made, RotationStatus(phase="Create"))


async def test_exactly_the_rotation_that_was_read_is_deleted(
    world: KubeCluster, namespace: str, kubectl: Kubectl, plan: PlanRecord
):
    kubectl.apply(manifest("Rotation", "by-hand", SPEC))
    former = await only_rotation(world, namespace)
    await world.delete_rotation(former)
    await world.delete_rotation(former)
    kubectl.apply(manifest("Rotation", "by-hand", SPEC))

    await world.delete_rotation(former)

    assert (await only_rotation(world, namespace)).uid != former.uid


async def test_the_provider_of_a_plan_is_read_and_a_missing_one_says_which(
    world: KubeCluster, namespace: str, kubectl: Kubectl, plan: PlanRecord
):
    with pytest.raises(Misconfigured, match="There is no CredentialProvider shop-postgres"):
        await world.provider(plan)

    kubectl.apply(manifest("CredentialProvider", "shop-postgres", provider_spec()))

    found = await world.provider(plan)
    assert found.key == ObjectKey(namespace, "shop-postgres")
    assert found.spec.backend is not None
    assert found.admits_namespace


@pytest.mark.parametrize(("wanted", "admitted"), [("orders", True), ("somebody-else", False)])
async def test_a_cluster_wide_provider_admits_namespaces_by_their_labels(
    world: KubeCluster, namespace: str, kubectl: Kubectl, wanted: str, *, admitted: bool
):
    name = f"shared-{namespace}"
    spec = provider_spec() | {"namespaceSelector": {"matchLabels": {"team": wanted}}}
    kubectl("label", "namespace", namespace, "team=orders")
    kubectl.apply(manifest("ClusterCredentialProvider", name, spec))
    kubectl.apply(plan_manifest(provider=name, kind="ClusterCredentialProvider"))
    try:
        found = await world.provider(await read(world, namespace))
    finally:
        kubectl("delete", "clustercredentialprovider", name)

    assert found.admits_namespace is admitted
    assert found.key == ObjectKey("", name)
    assert found.secrets_in == namespace  # the operator's: here that is the same one


async def test_all_plans_of_a_namespace_are_listed(
    world: KubeCluster, namespace: str, kubectl: Kubectl, plan: PlanRecord
):
    kubectl.apply(plan_manifest("payments-db"))

    assert {found.key.name for found in await world.plans(namespace)} == {"orders-db", "payments-db"}
    assert {found.key for found in await world.plans()} >= {ObjectKey(namespace, "orders-db")}


async def test_an_event_is_said_once_and_shown_by_describe(world: KubeCluster, kubectl: Kubectl, plan: PlanRecord):
    news = Announcement("WaitingForPod", "pod orders-api-1 still holds the old credential", warning=True)
    for _ in range(3):
        await world.announce(plan.key, "RotationPlan", plan.uid, news)

    assert kubectl("describe", "rotationplan", "orders-db").count("WaitingForPod") == 1


async def test_an_event_that_cannot_be_made_harms_nobody(world: KubeCluster, plan: PlanRecord):
    nowhere = ObjectKey("no-such-namespace", "orders-db")

    await world.announce(nowhere, "RotationPlan", plan.uid, Announcement("A", "b"))


@pytest.mark.fm(56)
def test_a_plan_whose_status_a_newer_version_wrote_is_marked_and_asks_for_nothing_to_be_forgotten():
    stored = plan_manifest() | {"status": {"generation": "not a number any more"}}

    record = plan_of(stored)

    assert record.invalid is not None
    assert record.invalid.reason == "StatusUnreadable"
    assert "status.generation" in record.invalid.message


@pytest.mark.fm(56)
async def test_an_unreadable_status_is_never_overwritten(world: KubeCluster):
    record = plan_of(plan_manifest() | {"status": {"generation": "?"}})

    with pytest.raises(Misconfigured, match="StatusUnreadable"):
        await world.save_plan(record, PlanStatus())


def test_a_plan_that_does_not_parse_says_the_place_and_never_the_value():
    stored = plan_manifest()
    stored["spec"]["secret"]["keys"] = {"URL": ["a-secret-looking-thing"]}

    record = plan_of(stored)

    assert record.invalid is not None
    assert "spec.secret.keys.URL" in record.invalid.message
    assert "a-secret-looking-thing" not in record.invalid.message
    assert record.spec.suspend


@pytest.mark.fm(56)
def test_a_rotation_that_does_not_parse_stops_everything_instead_of_being_ignored():
    with pytest.raises(Misconfigured, match="RotationUnreadable"):
        rotation_of(manifest("Rotation", "odd", SPEC) | {"status": {"generation": "?"}})
