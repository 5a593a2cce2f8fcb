"""The real core and reconciler in a simulated world: whatever happens, the promises hold, and it ends."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from keyturn.core.effects import DeleteCredential
from keyturn.core.evidence import RunsAs
from keyturn.core.model import ConsumerRef, ObjectKey, Observation, Phase, Policy, Rotation
from keyturn.core.rotation import BACKWARD, FINISHED, FORWARD
from keyturn.reconciler.loop import ROLLING
from support.memory_backend import Role
from support.memory_cluster import spec
from support.pods import parsed
from support.world import OLD_URL, PLAN, START, World

ENOUGH = 400  # ticks; a fault-free rotation takes about sixty


def rotated(world: World) -> None:
    """The end of a rotation that went well: NEW serves, OLD is gone, the escrow holds NEW only."""
    assert world.phase == "Complete", (world.phase, world.phases)
    assert world.backend.roles["orders_a"].retired
    assert world.backend.roles["orders_b"].enabled
    assert world.plan_status.current_id == "orders_b"
    assert world.cluster.the_escrow is not None
    assert set(world.cluster.the_escrow.values) == {"orders_b"}


def as_before(world: World) -> None:
    """The end of a rollback: Secret byte for byte, OLD serves, NEW is gone."""
    assert world.phase == "RolledBack", (world.phase, world.phases)
    assert world.cluster.secret_data["url"] == OLD_URL
    assert world.backend.roles["orders_a"].enabled
    new = world.backend.roles.get("orders_b")
    assert new is None or new.retired
    assert world.cluster.the_escrow is not None
    assert set(world.cluster.the_escrow.values) == {"orders_a"}


def quiet(world: World) -> None:
    """I6: after the end, nothing is written any more."""
    before = len(world.board.writes)
    world.run(3)
    world.restart_operator()
    world.run(3)
    assert world.board.writes[before:] == []


def test_a_rotation_without_faults_passes_every_phase_and_completes() -> None:
    world = World()
    world.ask_for_rotation()
    world.run(ENOUGH)
    rotated(world)
    history = [entry.phase for entry in world.cluster.the_rotations["orders-1"].status.history]
    assert history == [str(s.phase) for s in FORWARD] + ["Complete"]
    assert world.cluster.secret_data["unmanaged"].reveal() == b"stays as it is"
    quiet(world)


def test_a_plan_remembers_as_whom_its_consumers_run_where_only_their_images_say_so() -> None:
    world = World()
    api = ConsumerRef("Deployment", "shop", "api")
    world.cluster.workloads[api].unsaid_user = RunsAs(101, 102)
    world.ask_for_rotation()
    world.run(ENOUGH)
    rotated(world)
    (kept,) = world.plan_status.users
    assert (kept.consumer, kept.container, kept.user, kept.group) == ("Deployment/api", "app", 101, 102)
    quiet(world)


def test_a_reloading_consumer_is_not_restarted_and_the_other_is_restarted_once() -> None:
    world = World()
    world.ask_for_rotation()
    world.run(ENOUGH)
    assert [w.template.mark for w in world.cluster.workloads.values()] == [1, None]


def test_a_reloading_consumer_that_holds_on_to_an_old_session_is_restarted_and_not_rolled_back() -> None:
    world = World()
    worker = world.cluster.workloads[ConsumerRef("Deployment", "shop", "worker")]
    world.run(2)
    held = parsed(OLD_URL)
    assert held is not None
    for pod in worker.pods:  # a connection that its app lost sight of: it ends with the pod
        port = world.backend.login(*held, pod.address)
        assert port is not None
        pod.lingering.append(port)
    world.ask_for_rotation()
    world.run(ENOUGH)
    rotated(world)
    assert worker.template.mark == 1
    quiet(world)


def test_consumers_are_followed_while_a_rotation_is_under_way_and_not_before_or_after() -> None:
    world = World()
    world.run(3)
    assert world.cluster.followed == {}
    world.ask_for_rotation()
    world.run(12)
    assert world.phase not in FINISHED
    assert world.cluster.followed == {PLAN: ("orders-db", "api", "worker")}
    world.run(ENOUGH)
    rotated(world)
    assert world.cluster.followed == {}


def test_while_changes_of_pods_are_heard_a_roll_is_looked_at_less_often_and_ends_the_same() -> None:
    looks: dict[bool, int] = {}
    for heard in (False, True):
        world = World()
        world.cluster.heard = heard
        world.ask_for_rotation()
        waits: list[timedelta | None] = []
        reconcile = world.operator.reconcile

        async def noted(key: ObjectKey, reconcile: Any = reconcile, waits: Any = waits) -> timedelta | None:
            waits.append(await reconcile(key))
            return waits[-1]

        world.operator.reconcile = noted  # type: ignore[method-assign]
        world.run(ENOUGH)
        rotated(world)
        looks[heard] = waits.count(ROLLING)
    assert looks[False] == 0
    assert looks[True] > 0


@pytest.mark.parametrize(("sees", "seconds"), [(True, 3), (False, 5)])
def test_watch_looks_often_enough_to_let_a_refused_consumer_in_within_five_seconds(*, sees: bool, seconds: int) -> None:
    world = World()
    plan = world.cluster.the_plan
    assert plan is not None
    told = {"verify": {"soak": "1m"}, "retire": {"watch": "2m", "acceptBlindWatch": True}}
    world.cluster.the_plan = replace(plan, spec=spec(**told))
    world.provider.capabilities = replace(world.provider.capabilities, sees_refused_attempts=sees)
    world.ask_for_rotation()
    world.run(ENOUGH, until=lambda seen: seen.phase == "Watch")
    world.run(1)
    assert asyncio.run(world.operator.reconcile(PLAN)) == timedelta(seconds=seconds)


@pytest.mark.fm(16)
def test_new_pods_that_crash_are_rolled_back_and_the_old_role_was_never_disabled() -> None:
    world = World()
    world.cluster.workloads[ConsumerRef("Deployment", "shop", "api")].crash_with = "orders_b"
    world.ask_for_rotation()
    world.run(ENOUGH)
    as_before(world)
    assert "Disable" not in world.phases
    quiet(world)


def test_a_template_that_overrides_the_variable_is_held_unready_and_rolled_back() -> None:
    world = World()
    world.cluster.workloads[ConsumerRef("Deployment", "shop", "api")].overridden = OLD_URL
    world.ask_for_rotation()
    world.run(ENOUGH)
    as_before(world)
    assert "Disable" not in world.phases


@pytest.mark.fm(13)
def test_a_writer_who_insists_on_the_old_secret_pauses_the_rotation_with_both_credentials_open() -> None:
    world = World()
    world.gitops_holds = None
    world.ask_for_rotation()
    world.run(12)
    world.gitops_holds = OLD_URL
    world.run(60)
    assert world.cluster.the_rotations["orders-1"].status.paused is not None
    assert "argocd" in world.cluster.the_rotations["orders-1"].status.paused.message
    assert world.backend.roles["orders_a"].enabled
    assert world.backend.roles["orders_b"].enabled
    world.gitops_holds = None
    world.abort()
    world.run(ENOUGH)
    as_before(world)


@pytest.mark.fm(9)
def test_a_wrong_system_is_refused_before_any_change() -> None:
    world = World()
    world.run(3)
    before = world.backend.roles.keys()
    world.backend.system = "another"
    world.ask_for_rotation()
    world.run(30)
    assert world.phase == "Preflight"
    assert world.cluster.the_rotations["orders-1"].status.blocked_by == "WrongSystem"
    assert world.backend.roles.keys() == before


def test_a_stranger_in_the_inventory_blocks_until_he_is_gone() -> None:
    world = World()
    world.run(3)
    world.backend.roles["mallory"] = Role(OLD_URL, declared=False)
    world.ask_for_rotation()
    world.run(30)
    assert world.phase == "Preflight"
    assert world.cluster.the_rotations["orders-1"].status.blocked_by == "StrangerInInventory"
    del world.backend.roles["mallory"]
    world.run(ENOUGH)
    rotated(world)


def test_a_rotation_that_ran_is_never_run_again_when_it_is_applied_again() -> None:
    world = World()
    world.ask_for_rotation()
    world.run(ENOUGH)
    del world.cluster.the_rotations["orders-1"]
    world.ask_for_rotation()
    world.run(10)
    assert world.phase == "Refused"
    assert world.plan_status.current_id == "orders_b"


def test_two_rotations_in_a_row_take_turns_between_the_slots() -> None:
    world = World()
    world.ask_for_rotation()
    world.run(ENOUGH)
    world.ask_for_rotation("orders-2")
    world.run(120)
    assert world.cluster.the_rotations["orders-2"].status.phase == "Complete"
    assert world.plan_status.current_id == "orders_a"


def test_the_tables_name_every_irreversible_effect_in_two_rows_only() -> None:
    rotation = Rotation("uid", "orders-1", PLAN, Policy(), entered=START)
    irreversible = [
        step.phase
        for step in itertools.chain(FORWARD, BACKWARD)
        if any(isinstance(e, DeleteCredential) for e in step.effects(rotation, Observation(), START))
    ]
    assert irreversible == [Phase.DELETE, Phase.DISCARD]
