"""The Secret is what another provider logs in with: Keyturn itself is the consumer, and proves like one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from keyturn.api.conditions import condition
from keyturn.api.kinds import RotationSpec, RotationStatus
from keyturn.core.model import ObjectKey
from keyturn.core.sealed import Sealed
from keyturn.ports import PlanRecord, ProviderRecord, RotationRecord
from support.cluster_records import provider_of, spec
from support.promises import CHANGES
from support.rotator_world import REPORTS, STANDBY, RotatorWorld, plan_of
from support.world import OLD_URL, START, World

ENOUGH = 400
OLD = Sealed("the-old-value-of-orders")


def rotated(world: World, until: Callable[[World], bool] | None = None) -> World:
    world.ask_for_rotation()
    world.run(ENOUGH, until)
    return world


def under_way(world: World, plan: ObjectKey, phase: str) -> None:
    """A rotation of another plan."""
    name = f"{plan.name}-7"
    wish = RotationSpec.model_validate({"planRef": {"name": plan.name}})
    status = RotationStatus.model_validate({"phase": phase})
    record = RotationRecord(ObjectKey(plan.namespace, name), f"uid-{name}", 1, "1", START, wish, status)
    world.cluster.other_rotations[record.key] = record
    world.cluster.other_plans = [
        replace(other, status=other.status.model_copy(update={"active_rotation": name})) if other.key == plan else other
        for other in world.cluster.other_plans
    ]


def of_the_cluster(name: str, admin: str) -> ProviderRecord:
    """Its Secrets are in the operator's namespace, which is the plan's here."""
    found = provider_of(name, admin)
    return replace(found, kind="ClusterCredentialProvider", key=ObjectKey("", name), secrets_in="shop")


def through_the_cluster(plan: PlanRecord) -> PlanRecord:
    ref = plan.spec.provider_ref.model_copy(update={"kind": "ClusterCredentialProvider"})
    return replace(plan, spec=plan.spec.model_copy(update={"provider_ref": ref}))


def blockers(world: World) -> str:
    return "\n".join(f"{b.reason}: {b.pod} {b.message}" for b in world.rotation_status.blockers)


def unchanged(world: World) -> bool:
    return world.cluster.secret_data["url"] == OLD_URL and CHANGES.isdisjoint(world.board.writes)


class DescribeTheProof:
    def test_without_any_pod_it_is_keyturns_own_login_through_the_provider(self) -> None:
        world = RotatorWorld(alone=True)
        proven = set[str]()
        world.happenings.append(lambda w: proven.add(f"{w.phase} {w.rotation_status.proven}"))
        rotated(world)
        assert world.phase == "Complete"
        assert {"Soak 1/1", "Watch 1/1"} <= proven
        assert world.backend.roles["orders_a"].retired

    def test_pods_that_use_the_secret_too_are_consumers_as_ever(self) -> None:
        world = rotated(RotatorWorld(), lambda w: w.phase == "Soak")
        assert world.rotation_status.proven == "4/4"
        assert "CredentialProvider/reports-db" in {line.consumer for line in world.rotation_status.pod_proofs}

    def test_a_provider_that_no_plan_uses_proves_nothing(self) -> None:
        world = RotatorWorld(alone=True)
        world.cluster.other_plans.clear()
        rotated(world, lambda w: w.ticks > 20)
        assert "NoConsumer" in blockers(world)
        assert unchanged(world)

    def test_a_provider_of_the_whole_cluster_serves_plans_of_any_namespace(self) -> None:
        world = RotatorWorld(alone=True)
        world.cluster.other_providers = [of_the_cluster("reports-db", "orders-db")]
        elsewhere = through_the_cluster(plan_of("reports", "reports-db", "reports"))
        world.cluster.other_plans = [replace(elsewhere, key=ObjectKey("bank", "reports"))]
        rotated(world, lambda w: w.phase == "Soak")
        assert [(p.consumer, p.pod) for p in world.rotation_status.pod_proofs] == [
            ("ClusterCredentialProvider/reports-db", "ClusterCredentialProvider/reports-db")
        ]
        world.run(ENOUGH)
        assert world.phase == "Complete"

    def test_what_does_not_work_with_the_old_one_would_show_nothing_about_the_new_one(self) -> None:
        world = RotatorWorld(lacking="orders_a")
        rotated(world, lambda w: w.ticks > 20)
        assert "RotatorUnproven" in blockers(world)
        assert "CredentialProvider/reports-db" in blockers(world)
        assert unchanged(world)

    def test_one_plan_that_is_wrong_itself_does_not_speak_for_the_others(self) -> None:
        world = RotatorWorld(alone=True)
        world.cluster.other_plans.insert(0, plan_of("a-broken-one", "reports-db", "broken"))
        world.broken = "a-broken-one"
        assert rotated(world).phase == "Complete"


class DescribeTheWayBack:
    @pytest.mark.parametrize("alone", [True, False])
    def test_a_new_rotator_that_may_log_in_and_not_work_is_given_up(self, *, alone: bool) -> None:
        world = rotated(RotatorWorld(alone=alone, lacking="orders_b"))
        assert world.phase == "RolledBack"
        assert world.rotation_status.turned_back is not None
        assert world.rotation_status.turned_back.reason == "PodsHoldAnother"
        assert world.cluster.secret_data["url"] == OLD_URL
        assert world.backend.roles["orders_a"].enabled

    @pytest.mark.parametrize("abort_in", [None, "Watch"])
    def test_short_names_and_a_weak_first_value_may_stand_in_keys_of_their_own(self, abort_in: str | None) -> None:
        world, weak = RotatorWorld(alone=True, abort_in=abort_in), Sealed("weak")
        world.backend.restart()
        world.backend.roles["orders_a"].value = weak
        before = {
            "url": Sealed("postgresql://orders_a:weak@db.shop.svc:5432/shop"),
            "user": Sealed("orders_a"),
            "password": weak,
        }
        world.cluster.edit_secret(before, "kubectl")
        keys = {**spec().secret.keys, "user": "{username}", "password": "{password}"}
        world.cluster.edit_plan(spec(consumers={}, secret={"name": "orders-db", "keys": keys}))
        rotated(world)
        assert world.phase == ("RolledBack" if abort_in else "Complete")
        serves = "orders_a" if abort_in else "orders_b"
        assert world.cluster.secret_data["user"] == Sealed(serves)
        assert world.cluster.secret_data["password"] == world.backend.roles[serves].value

    def test_a_backend_that_cannot_be_reached_through_it_is_waited_for(self) -> None:
        world = RotatorWorld(alone=True)
        world.unreachable = frozenset({"Roll", "Verify"})
        rotated(world, lambda w: w.ticks > 200)
        assert world.phase == "Verify"
        assert "could not be reached" in blockers(world)
        world.unreachable = frozenset()
        assert rotated(world).phase == "Complete"


class DescribeSessionsOfTheOldRotator:
    def test_what_a_former_leader_left_open_is_waited_for_by_name(self) -> None:
        world = RotatorWorld(alone=True)
        rotated(world, lambda w: w.rotation_status.blocked_by == "OldCredentialInUse")
        assert world.phase == "Soak"
        assert "OldCredentialInUse: keyturn-operator-1" in blockers(world)
        world.run(ENOUGH)
        assert world.phase == "Complete"

    def test_one_that_comes_back_after_it_was_disabled_opens_it_again_once(self) -> None:
        world = rotated(RotatorWorld(alone=True), lambda w: w.phase == "Watch")
        world.backend.switch("orders_a", enabled=True, who="somebody")
        world.backend.login("orders_a", OLD, STANDBY)
        world.backend.switch("orders_a", enabled=False, who="keyturn")
        world.run(3, until=lambda w: w.phase == "Verify")
        assert world.phase == "Verify"
        ready = condition(world.rotation_status.conditions, "Ready")
        assert ready is not None
        assert ready.message.startswith("Pod/keyturn-operator-1")


class DescribeOneAfterAnother:
    @pytest.mark.parametrize("phase", ["Create", "Roll", "Watch", "Discard"])
    def test_a_rotator_that_works_just_now_is_not_turned(self, phase: str) -> None:
        world = RotatorWorld()
        under_way(world, REPORTS, phase)
        rotated(world, lambda w: w.ticks > 20)
        assert "RotatorInUse:  Rotation reports-7 of RotationPlan shop/reports" in blockers(world)
        assert unchanged(world)
        under_way(world, REPORTS, "Complete")
        world.run(ENOUGH)
        assert world.phase == "Complete"

    @pytest.mark.parametrize("phase", ["", "Preflight"])
    def test_two_that_have_changed_nothing_yet_do_not_wait_for_each_other(self, phase: str) -> None:
        world = RotatorWorld()
        under_way(world, REPORTS, phase)
        assert rotated(world).phase == "Complete"

    def test_a_rotator_that_is_turned_just_now_does_not_work(self) -> None:
        world = World()
        world.cluster.other_providers = [provider_of("break-glass", "glass")]
        world.cluster.other_plans = [plan_of("rotators", "break-glass", "admin")]
        under_way(world, ObjectKey("shop", "rotators"), "Roll")
        rotated(world, lambda w: w.ticks > 20)
        assert "RotatorTurning:  Rotation rotators-7 of RotationPlan shop/rotators" in blockers(world)
        assert unchanged(world)
        under_way(world, ObjectKey("shop", "rotators"), "RolledBack")
        world.run(ENOUGH)
        assert world.phase == "Complete"

    def test_one_whose_rotation_is_gone_from_the_record_may_have_changed_something(self) -> None:
        world = RotatorWorld()
        under_way(world, REPORTS, "Roll")
        world.cluster.other_rotations.clear()
        rotated(world, lambda w: w.ticks > 20)
        assert "RotatorInUse" in blockers(world)

    @pytest.mark.parametrize("mode", ["Availability", "Containment"])
    def test_who_may_be_in_others_hands_waits_for_neither(self, mode: str) -> None:
        world = RotatorWorld(request={"planRef": {"name": "orders"}, "mode": mode})
        world.cluster.other_providers.append(provider_of("break-glass", "glass"))
        world.cluster.other_plans.append(plan_of("rotators", "break-glass", "admin"))
        under_way(world, REPORTS, "Roll")
        under_way(world, ObjectKey("shop", "rotators"), "Roll")
        assert rotated(world).phase == "Complete"


class DescribeWhatWouldNeverBeRight:
    @pytest.fixture
    def world(self) -> World:
        return World()

    def asked(self, world: World) -> tuple[str, str]:
        world.run(5)
        ready = condition(world.plan_status.conditions, "Ready")
        assert ready is not None
        assert ready.status == "False"
        assert unchanged(world)
        return ready.reason, ready.message

    def test_two_plans_that_rotate_each_others_rotator(self, world: World) -> None:
        world.cluster.other_providers = [provider_of("mirror", "orders-db")]
        world.cluster.other_plans = [plan_of("rotators", "mirror", "admin")]
        reason, words = self.asked(world)
        assert reason == "RotatorCycle"
        assert "shop/orders → shop/rotators → shop/orders" in words

    def test_a_longer_way_round_through_a_provider_of_the_whole_cluster(self, world: World) -> None:
        clustered = of_the_cluster("cluster-db", "orders-db")
        world.cluster.other_providers = [provider_of("second", "in-between"), clustered]
        third = through_the_cluster(plan_of("third", "cluster-db", "in-between"))
        world.cluster.other_plans = [plan_of("rotators", "second", "admin"), third]
        reason, words = self.asked(world)
        assert reason == "RotatorCycle"
        assert "shop/orders → shop/rotators → shop/third → shop/orders" in words

    def test_a_circle_that_was_closed_after_adoption_blocks_the_next_rotation(self, world: World) -> None:
        world.run(5)
        world.cluster.other_providers = [provider_of("mirror", "orders-db")]
        world.cluster.other_plans = [plan_of("rotators", "mirror", "admin")]
        rotated(world, lambda w: w.ticks > 20)
        assert "RotatorCycle" in blockers(world)
        assert unchanged(world)

    def test_whoever_only_hangs_on_a_circle_is_not_held_up_by_it(self, world: World) -> None:
        world.cluster.other_providers = [provider_of("one", "two"), provider_of("two", "admin")]
        world.cluster.other_plans = [plan_of("first", "one", "admin"), plan_of("second", "two", "two")]
        assert rotated(world).phase == "Complete"

    def test_a_provider_that_logs_in_as_a_role_of_the_plan(self, world: World) -> None:
        world.cluster.admin_data = {"user": Sealed("orders_b"), "password": Sealed("whatever")}
        assert self.asked(world)[0] == "RotatorRotatesItself"

    def test_another_role_that_has_the_same_password_is_another_one(self, world: World) -> None:
        keys = {**spec().secret.keys, "password": "{password}"}
        world.cluster.admin_data = {"user": Sealed("rotator"), "password": OLD}
        world.cluster.edit_secret({"password": OLD}, "kubectl")
        world.cluster.edit_plan(spec(secret={"name": "orders-db", "keys": keys}))
        assert rotated(world).phase == "Complete"

    def test_a_copy_of_the_credential_under_another_name(self, world: World) -> None:
        keys = {"url": "{username}", "password": "{password}"}
        world.cluster.admin_data = {"key-id": Sealed("something"), "secret": OLD}
        world.cluster.edit_secret({"url": Sealed("orders_a"), "password": OLD}, "kubectl")
        plan = world.cluster.the_plan
        assert plan is not None
        target = plan.spec.secret.model_copy(update={"keys": keys})
        world.cluster.edit_plan(plan.spec.model_copy(update={"secret": target}))
        world.run(5)
        ready = condition(world.plan_status.conditions, "Ready")
        assert ready is not None
        assert ready.reason == "RotatorRotatesItself"
