"""The contract of the Cluster port, kept by the API server in memory too: the simulated world is worth what this is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keyturn.api.kinds import PlanStatus, RotationSpec, RotationStatus
from keyturn.api.labels import FINALIZER
from keyturn.core.model import ObjectKey
from keyturn.core.sealed import Sealed
from keyturn.ports import (
    Conflict,
    Denied,
    Escrow,
    PlanRecord,
    RotationRecord,
    SecretRecord,
)
from support.cluster_rig import KEEP, SECRET, ClusterRig

pytestmark = pytest.mark.contract

OLD, NEW = "postgresql://orders_a:old-value-0123456789@db/shop", "postgresql://orders_b:new-value-0123456789@db/shop"
VALUES = {"orders_a": Sealed("old-value-0123456789")}
BEFORE = {"url": Sealed(OLD)}
TAG = "rotation-uid/1"
HOLLOW = ["", "   ", "******", "xxxxxxxx"]


def asked(plan: str = "orders", **more: object) -> RotationSpec:
    return RotationSpec.model_validate({"planRef": {"name": plan}, "requestedBy": "ann"} | more)


async def the_plan(rig: ClusterRig) -> PlanRecord:
    found = await rig.cluster.plan(rig.key)
    assert found is not None
    return found


async def the_rotation(rig: ClusterRig) -> RotationRecord:
    (found,) = await rig.cluster.rotations(rig.key)
    return found


async def the_secret(rig: ClusterRig) -> SecretRecord:
    found = await rig.cluster.secret(ObjectKey(rig.key.namespace, SECRET))
    assert found is not None
    return found


async def the_escrow(rig: ClusterRig) -> Escrow:
    found = await rig.cluster.escrow((await the_plan(rig)).uid)
    assert found is not None
    return found


class DescribePlans:
    async def test_one_that_does_not_exist_reads_as_nothing(self, any_cluster: ClusterRig):
        assert await any_cluster.cluster.plan(ObjectKey(any_cluster.key.namespace, "no-such-plan")) is None

    async def test_status_is_saved_and_what_comes_back_can_be_saved_again(self, any_cluster: ClusterRig):
        plan = await the_plan(any_cluster)
        once = await any_cluster.cluster.save_plan(plan, PlanStatus(current_id="orders_a"))
        twice = await any_cluster.cluster.save_plan(once, PlanStatus(current_id="orders_b"))

        stored = await the_plan(any_cluster)
        assert stored == twice
        assert (stored.status.current_id, stored.spec, stored.uid) == ("orders_b", plan.spec, plan.uid)

    async def test_of_two_who_save_from_one_reading_the_second_loses(self, any_cluster: ClusterRig):
        plan = await the_plan(any_cluster)
        await any_cluster.cluster.save_plan(plan, PlanStatus(generation=1))

        with pytest.raises(Conflict):
            await any_cluster.cluster.save_plan(plan, PlanStatus(generation=2))

        assert (await the_plan(any_cluster)).status.generation == 1

    async def test_a_write_of_somebody_else_in_between_is_a_conflict_too(self, any_cluster: ClusterRig):
        plan = await the_plan(any_cluster)
        await any_cluster.annotate_plan()

        with pytest.raises(Conflict):
            await any_cluster.cluster.save_plan(plan, PlanStatus(generation=1))
        with pytest.raises(Conflict):
            await any_cluster.cluster.hold_plan(plan, hold=True)

        assert (await the_plan(any_cluster)).finalizers == ()

    async def test_one_that_is_gone_cannot_be_saved(self, any_cluster: ClusterRig):
        plan = await the_plan(any_cluster)
        await any_cluster.delete_plan()

        with pytest.raises(Conflict):
            await any_cluster.cluster.save_plan(plan, PlanStatus(generation=1))

    async def test_the_finalizer_holds_a_deleted_one_until_it_is_released(self, any_cluster: ClusterRig):
        await any_cluster.cluster.hold_plan(await the_plan(any_cluster), hold=True)
        await any_cluster.delete_plan()

        held = await the_plan(any_cluster)
        assert held.deleting
        assert held.deleted_at is not None
        assert held.finalizers == (FINALIZER,)
        await any_cluster.cluster.hold_plan(held, hold=False)

        assert await any_cluster.cluster.plan(any_cluster.key) is None

    async def test_holding_what_is_held_and_releasing_what_is_free_changes_nothing(self, any_cluster: ClusterRig):
        free = await the_plan(any_cluster)
        await any_cluster.cluster.hold_plan(free, hold=False)
        assert await the_plan(any_cluster) == free
        await any_cluster.cluster.hold_plan(free, hold=True)
        held = await the_plan(any_cluster)

        await any_cluster.cluster.hold_plan(held, hold=True)

        assert await the_plan(any_cluster) == held


class DescribeRotations:
    async def test_one_is_made_once_and_the_first_wish_stands(self, any_cluster: ClusterRig):
        plan = await the_plan(any_cluster)
        await any_cluster.cluster.create_rotation(plan, "orders-1", asked())
        first = await the_rotation(any_cluster)

        await any_cluster.cluster.create_rotation(plan, "orders-1", asked(abort=True))

        assert await the_rotation(any_cluster) == first
        assert first.spec.abort is False
        assert first.status == RotationStatus()

    async def test_those_of_another_plan_are_not_told(self, any_cluster: ClusterRig):
        await any_cluster.cluster.create_rotation(await the_plan(any_cluster), "other-1", asked("another"))

        assert await any_cluster.cluster.rotations(any_cluster.key) == []

    async def test_one_is_read_by_its_name(self, any_cluster: ClusterRig):
        await any_cluster.cluster.create_rotation(await the_plan(any_cluster), "orders-1", asked())
        namespace = any_cluster.key.namespace

        assert await any_cluster.cluster.rotation(ObjectKey(namespace, "orders-1")) == await the_rotation(any_cluster)
        assert await any_cluster.cluster.rotation(ObjectKey(namespace, "orders-2")) is None

    async def test_those_that_came_to_their_end_can_be_left_out(self, any_cluster: ClusterRig):
        plan, phases = await the_plan(any_cluster), ["", "Roll", "SomethingNewer", "Complete", "RolledBack", "Refused"]
        for number, phase in enumerate(phases):
            name = f"orders-{number}"
            await any_cluster.cluster.create_rotation(plan, name, asked())
            made = await any_cluster.cluster.rotation(ObjectKey(any_cluster.key.namespace, name))
            assert made is not None
            if phase:
                await any_cluster.cluster.save_rotation(made, RotationStatus(phase=phase, generation=1))

        going_on = await any_cluster.cluster.rotations(any_cluster.key, finished=False)
        everything = await any_cluster.cluster.rotations(any_cluster.key)

        assert sorted(found.status.phase for found in going_on) == sorted(phases[:3])
        assert sorted(found.status.phase for found in everything) == sorted(phases)

    async def test_status_is_saved_by_compare_and_set(self, any_cluster: ClusterRig):
        await any_cluster.cluster.create_rotation(await the_plan(any_cluster), "orders-1", asked())
        made = await the_rotation(any_cluster)
        saved = await any_cluster.cluster.save_rotation(made, RotationStatus(phase="Create", generation=1))

        with pytest.raises(Conflict):
            await any_cluster.cluster.save_rotation(made, RotationStatus(phase="Stage"))

        assert await the_rotation(any_cluster) == saved
        assert (saved.status.phase, saved.uid, saved.spec) == ("Create", made.uid, made.spec)

    async def test_exactly_the_one_that_was_read_is_deleted_and_twice_is_fine(self, any_cluster: ClusterRig):
        plan = await the_plan(any_cluster)
        await any_cluster.cluster.create_rotation(plan, "orders-1", asked())
        former = await the_rotation(any_cluster)
        await any_cluster.cluster.delete_rotation(former)
        await any_cluster.cluster.delete_rotation(former)
        assert await any_cluster.cluster.rotations(any_cluster.key) == []
        await any_cluster.cluster.create_rotation(plan, "orders-1", asked())

        await any_cluster.cluster.delete_rotation(former)

        assert (await the_rotation(any_cluster)).uid != former.uid

    async def test_the_status_of_one_that_was_made_anew_is_not_written(self, any_cluster: ClusterRig):
        plan = await the_plan(any_cluster)
        await any_cluster.cluster.create_rotation(plan, "orders-1", asked())
        former = await the_rotation(any_cluster)
        await any_cluster.cluster.delete_rotation(former)
        await any_cluster.cluster.create_rotation(plan, "orders-1", asked())

        with pytest.raises(Conflict):
            await any_cluster.cluster.save_rotation(former, RotationStatus(phase="Delete"))

        assert (await the_rotation(any_cluster)).status == RotationStatus()


class DescribeSecrets:
    async def test_one_that_does_not_exist_reads_as_nothing(self, any_cluster: ClusterRig):
        assert await any_cluster.cluster.secret(ObjectKey(any_cluster.key.namespace, SECRET)) is None

    async def test_only_the_named_keys_are_written_and_owned(self, any_cluster: ClusterRig):
        await any_cluster.write_secret({"url": OLD} | KEEP, "kubectl")
        before = await the_secret(any_cluster)
        assert before.writers["url"] == "kubectl"

        await any_cluster.cluster.write_secret(before, {"url": Sealed(NEW)}, TAG)

        after = await the_secret(any_cluster)
        assert dict(after.data) == {"url": Sealed(NEW)} | {key: Sealed(value) for key, value in KEEP.items()}
        assert after.writers == {"url": "keyturn", "unmanaged": "kubectl"}
        assert after.uid == before.uid

    async def test_a_write_decided_on_an_older_reading_is_refused(self, any_cluster: ClusterRig):
        await any_cluster.write_secret({"url": OLD}, "kubectl")
        stale = await the_secret(any_cluster)
        await any_cluster.annotate_secret()

        with pytest.raises(Conflict):
            await any_cluster.cluster.write_secret(stale, {"url": Sealed(NEW)}, TAG)

        assert (await the_secret(any_cluster)).data["url"] == Sealed(OLD)

    async def test_one_that_is_gone_is_not_resurrected(self, any_cluster: ClusterRig):
        await any_cluster.write_secret({"url": OLD}, "kubectl")
        gone = await the_secret(any_cluster)
        await any_cluster.delete_secret()

        with pytest.raises(Conflict):
            await any_cluster.cluster.write_secret(gone, {"url": Sealed(NEW)}, TAG)

        assert await any_cluster.cluster.secret(gone.key) is None

    async def test_one_that_was_made_anew_is_not_written(self, any_cluster: ClusterRig):
        await any_cluster.write_secret({"url": OLD}, "kubectl")
        former = await the_secret(any_cluster)
        await any_cluster.delete_secret()
        await any_cluster.write_secret({"url": OLD}, "kubectl")

        with pytest.raises(Conflict):
            await any_cluster.cluster.write_secret(former, {"url": Sealed(NEW)}, TAG)

        assert (await the_secret(any_cluster)).data["url"] == Sealed(OLD)

    async def test_writing_what_is_there_changes_nothing(self, any_cluster: ClusterRig):
        await any_cluster.write_secret({"url": OLD}, "kubectl")
        await any_cluster.cluster.write_secret(await the_secret(any_cluster), {"url": Sealed(NEW)}, TAG)
        once = await the_secret(any_cluster)

        await any_cluster.cluster.write_secret(once, {"url": Sealed(NEW)}, TAG)

        assert await the_secret(any_cluster) == once

    @pytest.mark.fm(38, 44)
    async def test_the_tag_alone_can_be_written_and_whoever_saw_the_version_before_comes_late(
        self, any_cluster: ClusterRig
    ):
        await any_cluster.write_secret({"url": OLD}, "kubectl")
        late = await the_secret(any_cluster)

        await any_cluster.cluster.write_secret(late, {}, TAG)

        found = await the_secret(any_cluster)
        assert (found.data, found.writers, found.tag) == (late.data, late.writers, TAG)
        with pytest.raises(Conflict):
            await any_cluster.cluster.write_secret(late, {"url": Sealed(NEW)}, TAG)

    async def test_a_tag_alone_takes_away_no_key_that_we_wrote_before(self, any_cluster: ClusterRig):
        await any_cluster.write_secret({"url": OLD}, "kubectl")
        await any_cluster.cluster.write_secret(await the_secret(any_cluster), {"url": Sealed(NEW)}, TAG)

        await any_cluster.cluster.write_secret(await the_secret(any_cluster), {}, "rotation-uid/2")

        assert (await the_secret(any_cluster)).data["url"] == Sealed(NEW)

    async def test_whoever_writes_a_key_after_us_is_named(self, any_cluster: ClusterRig):
        await any_cluster.write_secret({"url": OLD}, "kubectl")
        await any_cluster.cluster.write_secret(await the_secret(any_cluster), {"url": Sealed(NEW)}, TAG)

        await any_cluster.write_secret({"url": OLD}, "argocd")

        assert (await the_secret(any_cluster)).writers["url"] == "argocd"

    @pytest.mark.parametrize("value", HOLLOW)
    async def test_an_empty_blank_or_redacted_looking_value_is_never_written(self, any_cluster: ClusterRig, value: str):
        await any_cluster.write_secret({"url": OLD}, "kubectl")
        before = await the_secret(any_cluster)

        with pytest.raises(Denied, match="HollowValue"):
            await any_cluster.cluster.write_secret(before, {"url": Sealed(value)}, TAG)

        assert await the_secret(any_cluster) == before

    async def test_an_immutable_one_is_refused_before_it_is_tried(self, any_cluster: ClusterRig):
        await any_cluster.write_secret({"url": OLD}, "kubectl", immutable=True)

        with pytest.raises(Denied, match="SecretImmutable"):
            await any_cluster.cluster.write_secret(await the_secret(any_cluster), {"url": Sealed(NEW)}, TAG)


class DescribeEscrow:
    async def test_it_comes_back_as_it_was_saved(self, any_cluster: ClusterRig):
        plan = await the_plan(any_cluster)
        assert await any_cluster.cluster.escrow(plan.uid) is None

        await any_cluster.cluster.save_escrow(plan, Escrow(VALUES, BEFORE, closed=4))

        found = await the_escrow(any_cluster)
        assert (found.values, found.secret_before, found.closed) == (VALUES, BEFORE, 4)

    async def test_it_is_made_once_and_changed_by_whoever_saw_its_latest_version(self, any_cluster: ClusterRig):
        plan = await the_plan(any_cluster)
        await any_cluster.cluster.save_escrow(plan, Escrow(VALUES, BEFORE))
        first = await the_escrow(any_cluster)
        more = {**VALUES, "orders_b": Sealed("new-value-0123456789")}

        with pytest.raises(Conflict):
            await any_cluster.cluster.save_escrow(plan, Escrow(more, {}))
        await any_cluster.cluster.save_escrow(plan, replace(first, values=more))
        with pytest.raises(Conflict):
            await any_cluster.cluster.save_escrow(plan, first)

        assert (await the_escrow(any_cluster)).values == more

    async def test_one_that_was_dropped_is_not_silently_made_anew_and_dropping_twice_is_fine(
        self, any_cluster: ClusterRig
    ):
        plan = await the_plan(any_cluster)
        await any_cluster.cluster.save_escrow(plan, Escrow(VALUES, BEFORE))
        seen = await the_escrow(any_cluster)
        await any_cluster.cluster.drop_escrow(plan.uid)
        await any_cluster.cluster.drop_escrow(plan.uid)

        with pytest.raises(Conflict):
            await any_cluster.cluster.save_escrow(plan, seen)

        assert await any_cluster.cluster.escrow(plan.uid) is None

    @pytest.mark.parametrize("value", HOLLOW)
    async def test_a_hollow_value_is_not_put_there(self, any_cluster: ClusterRig, value: str):
        plan = await the_plan(any_cluster)

        with pytest.raises(Denied, match="HollowValue"):
            await any_cluster.cluster.save_escrow(plan, Escrow({"orders_a": Sealed(value)}, {}))

        assert await any_cluster.cluster.escrow(plan.uid) is None
