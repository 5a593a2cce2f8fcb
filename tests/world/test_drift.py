"""A plan at rest is looked at once per interval: what differs is told once, with the way out; nothing is mended."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from keyturn.api.conditions import condition
from keyturn.core.model import ObjectKey
from keyturn.core.sealed import Sealed
from keyturn.ports import PlanRecord
from keyturn.reconciler.drift import Lookout
from support.memory_backend import Role
from support.memory_cluster import spec
from support.world import OLD_URL, PLAN, Silence, VirtualClock, World

EVERY = timedelta(seconds=30)
FOREIGN = OLD_URL.reveal_text() + "?sslmode=disable"


class Ears(Silence):
    """Remembers what it was told last."""

    def __init__(self) -> None:
        self.reasons: dict[ObjectKey, tuple[str, ...]] = {}

    def drifted(self, plan: ObjectKey, reasons: tuple[str, ...]) -> None:
        self.reasons[plan] = tuple(reasons)


def at_rest(*, rotated: bool = False) -> World:
    """Adopted, looked at at least once, and nothing to do; with ears."""
    world = World()
    assert world.cluster.the_plan is not None
    world.cluster.the_plan = replace(world.cluster.the_plan, spec=spec(checkEvery="30s"))
    if rotated:
        world.ask_for_rotation()
        world.run(400)
        assert world.phase == "Complete"
    rest(world)
    return world


def rest(world: World, time: timedelta = 3 * EVERY) -> None:
    until = world.clock.now() + time
    while world.clock.now() < until:
        world.run(1)


def drift(world: World) -> list[str]:
    return [line.reason for line in world.plan_status.drift]


def verdict(world: World) -> tuple[str, str, str]:
    found = condition(world.plan_status.conditions, "DriftDetected")
    assert found is not None
    return found.status, found.reason, found.message


def _edited(world: World) -> None:
    world.cluster.edit_secret({"url": Sealed(FOREIGN)}, "kubectl-edit")


def _put_back(world: World) -> None:
    world.cluster.edit_secret({"url": OLD_URL}, "kubectl-edit")


def _emptied(world: World) -> None:
    world.cluster.edit_secret({"url": Sealed("")}, "terraform")


def _deleted(world: World) -> None:
    world.cluster.secret_data.pop("url")
    world.cluster.secret_data.pop("unmanaged")


def _made_again(world: World) -> None:
    world.cluster.edit_secret({"url": OLD_URL, "unmanaged": Sealed("stays as it is")}, "kubectl-create")


def _owned(world: World) -> None:
    world.cluster.secret_shown["controlled_by"] = "ExternalSecret/orders-db (external-secrets.io)"


def _owned_no_more(world: World) -> None:
    world.cluster.secret_shown.clear()


def _refused(world: World) -> None:
    world.backend.roles["orders_a"].value = Sealed("somebody-elses-idea-of-it")


def _accepted(world: World) -> None:
    world.backend.roles["orders_a"].value = Sealed("the-old-value-of-orders")


def _disabled(world: World) -> None:
    world.backend.roles["orders_a"].enabled = False


def _enabled(world: World) -> None:
    world.backend.roles["orders_a"].enabled = True


def _lacking(world: World) -> None:
    world.provider.lacking.add("orders_a")


def _complete(world: World) -> None:
    world.provider.lacking.clear()


def _stranger(world: World) -> None:
    world.backend.roles["mallory"] = Role(Sealed("a-value-of-a-stranger"), declared=False)


def _stranger_gone(world: World) -> None:
    del world.backend.roles["mallory"]


def _spare(world: World) -> None:
    world.backend.roles["orders_b"] = Role(Sealed("a-value-of-the-spare-slot"))


def _spare_gone(world: World) -> None:
    del world.backend.roles["orders_b"]


def _expiring(world: World) -> None:
    world.backend.roles["orders_a"].expires = world.clock.now() + timedelta(days=6)


def _for_good(world: World) -> None:
    world.backend.roles["orders_a"].expires = None


def _another_system(world: World) -> None:
    world.backend.system = "two"


def _the_system(world: World) -> None:
    world.backend.system = "one"


def _escrow_gone(world: World) -> None:
    world.kept = world.cluster.the_escrow  # type: ignore[attr-defined]
    world.cluster.the_escrow = None


def _escrow_back(world: World) -> None:
    world.cluster.the_escrow = world.kept  # type: ignore[attr-defined]


KINDS: dict[str, tuple[Callable[[World], None], Callable[[World], None], str]] = {
    # reason: it comes, it goes, words that must be said
    "SecretDiffers": (_edited, _put_back, "last written by kubectl-edit"),
    "SecretDiffers, emptied": (_emptied, _put_back, "last written by terraform"),
    "SecretMissing": (_deleted, _made_again, "create it with the current credential"),
    "SecretOwnedByAnother": (_owned, _owned_no_more, "ExternalSecret/orders-db (external-secrets.io)"),
    "CurrentCredentialChanged": (_refused, _accepted, "the backend refuses orders_a"),
    "CurrentCredentialDisabled": (_disabled, _enabled, "enable it again"),
    "CurrentCredentialLacking": (_lacking, _complete, "orders_a logs in, but"),
    "CurrentCredentialExpires": (_expiring, _for_good, "orders_a expires at 2026-03-27"),
    "StrangerInInventory": (_stranger, _stranger_gone, "mallory"),
    "SpareCredentialEnabled": (_spare, _spare_gone, "orders_b can log in though orders_a serves"),
    "WrongSystem": (_another_system, _the_system, "another system than the one this plan was adopted on"),
    "EscrowMissing": (_escrow_gone, _escrow_back, "restore it from a backup"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_drift_is_told_within_the_interval_once_without_a_write_and_cleared_when_it_is_gone(kind: str) -> None:
    comes, goes, words = KINDS[kind]
    reason = kind.partition(",")[0]
    world = at_rest()
    ears = Ears()
    world.operator._desk._lookout._reporter = ears
    assert verdict(world) == ("False", "AsExpected", "")
    writes, said = len(world.board.writes), len(world.cluster.said)
    before = world.cluster.secret_version

    comes(world)
    quietly(world, EVERY + timedelta(seconds=10))

    assert drift(world) == [reason]
    assert verdict(world)[:2] == ("True", reason)
    assert words in verdict(world)[2]
    assert ears.reasons[PLAN] == (reason,)
    assert [event.reason for event in world.cluster.said[said:]] == [reason]
    quietly(world, 10 * EVERY)
    assert [event.reason for event in world.cluster.said[said:]] == [reason], "an Event once"
    assert world.board.writes[writes:] == ["save-plan"], "and nothing written but the status, once"
    assert world.cluster.secret_version <= before + 1, "the one edit of the test itself"

    goes(world)
    quietly(world, EVERY + timedelta(seconds=10))
    assert verdict(world) == ("False", "AsExpected", "")
    assert ears.reasons[PLAN] == ()
    assert [event.reason for event in world.cluster.said[said:]] == [reason, "AsExpected"]
    assert world.board.writes[writes:] == ["save-plan", "save-plan"]


def quietly(world: World, time: timedelta) -> None:
    """Time passes without pods: drift may lock them out, and that is not the operator's doing."""
    world.cluster.workloads.clear()
    rest(world, time)


def test_the_former_credential_put_back_is_named_with_who_did_it() -> None:
    world = at_rest(rotated=True)
    world.cluster.workloads.clear()
    world.cluster.edit_secret({"url": OLD_URL}, "argocd-controller")
    rest(world, EVERY + timedelta(seconds=10))
    assert drift(world) == ["SecretReverted"]
    assert "argocd-controller put orders_a back" in verdict(world)[2]
    assert "the-old-value-of-orders" not in world.plan_status.model_dump_json()


def test_a_foreign_user_name_in_the_secret_is_not_repeated() -> None:
    world = at_rest()
    world.cluster.workloads.clear()
    held = Sealed("postgresql://my-own-password:typed-into-the-wrong-field@db.shop.svc:5432/shop")
    world.cluster.edit_secret({"url": held}, "kubectl-edit")
    rest(world)
    assert drift(world) == ["SecretDiffers"]
    assert "my-own-password" not in world.plan_status.model_dump_json() + str(world.cluster.said)


def test_while_the_backend_is_down_nothing_new_is_said_of_it_and_what_was_known_stands() -> None:
    world = at_rest()
    world.cluster.workloads.clear()
    world.backend.down = True
    rest(world)
    assert verdict(world) == ("Unknown", "NotObserved", "could not look at: Backend, Login, Inventory")
    world.backend.down = False
    _stranger(world)
    rest(world)
    world.backend.down = True
    _stranger_gone(world)
    _edited(world)
    rest(world)
    assert drift(world) == ["SecretDiffers", "StrangerInInventory"]
    world.backend.down = False
    rest(world)
    assert drift(world) == ["SecretDiffers"]


def test_drift_that_a_rotation_finds_too_neither_stops_nor_doubles_its_own_checks() -> None:
    world = at_rest()
    _stranger(world)
    rest(world)
    world.ask_for_rotation()
    world.run(20)
    assert world.phase == "Preflight"
    assert world.cluster.the_rotations["orders-1"].status.blocked_by == "StrangerInInventory"
    _stranger_gone(world)
    world.run(400)
    assert world.phase == "Complete"
    rest(world)
    assert verdict(world)[0] == "False"


def test_a_suspended_plan_is_looked_at_too() -> None:
    world = at_rest()
    world.cluster.workloads.clear()
    assert world.cluster.the_plan is not None
    world.cluster.the_plan = replace(world.cluster.the_plan, spec=spec(checkEvery="30s", suspend=True))
    _edited(world)
    rest(world)
    assert drift(world) == ["SecretDiffers"]


def test_a_new_process_repeats_no_event_and_tells_its_metrics_what_is_known() -> None:
    world = at_rest()
    world.cluster.workloads.clear()
    _edited(world)
    rest(world)
    said, writes = len(world.cluster.said), len(world.board.writes)
    world.restart_operator()
    ears = Ears()
    world.operator._desk._lookout._reporter = ears
    world.run(1)
    assert ears.reasons[PLAN] == ("SecretDiffers",)
    rest(world)
    assert (len(world.cluster.said), len(world.board.writes)) == (said, writes)


def test_a_plan_without_drift_is_never_written() -> None:
    world = at_rest(rotated=True)
    writes = len(world.board.writes)
    rest(world, timedelta(hours=2))
    assert world.board.writes[writes:] == []


def test_a_thousand_plans_look_at_a_thousand_moments_each_within_its_interval() -> None:
    clock = VirtualClock()
    lookout = Lookout(World().cluster, clock, Silence())
    plans = [PlanRecord(ObjectKey("shop", f"p{n}"), f"uid-{n}", 1, "1", spec(), plan_status()) for n in range(1000)]
    waits = [lookout.rest(plan).total_seconds() for plan in plans]
    assert min(waits) > 0
    assert max(waits) <= 300
    for tenth in range(10):
        share = sum(30 * tenth < wait <= 30 * (tenth + 1) for wait in waits)
        assert 60 < share < 150, (tenth, share)


def plan_status():
    return World().plan_status


def test_every_kind_of_drift_is_tried() -> None:
    source = (Path(__file__).resolve().parents[2] / "operator/keyturn/reconciler/drift.py").read_text()
    judged = set(re.findall(r'Problem\(\s*"(\w+)"', source))
    assert judged <= {kind.partition(",")[0] for kind in KINDS} | {"SecretReverted"}


def test_another_system_behind_the_provider_is_told_and_its_inventory_is_not_believed() -> None:
    world = at_rest()
    world.cluster.workloads.clear()
    _another_system(world)
    _stranger(world)
    rest(world)
    assert drift(world) == ["WrongSystem"]
    _the_system(world)
    rest(world)
    assert drift(world) == ["StrangerInInventory"]


def test_the_first_look_of_a_plan_adopted_by_a_version_that_knew_no_drift_says_that_all_is_well() -> None:
    world = at_rest()
    assert world.cluster.the_plan is not None
    bare = [c for c in world.plan_status.conditions if c.type != "DriftDetected"]
    status = world.plan_status.model_copy(update={"conditions": bare})
    world.cluster.the_plan = replace(world.cluster.the_plan, status=status)
    rest(world)
    assert verdict(world) == ("False", "AsExpected", "")
