"""How a rotation may end: exactly as one without faults does, and then nothing is written any more (I6, I7).

What others change after the operator's last look, nobody can have seen: that is drift. It is not mended but told, and
once people have mended it, all is as it must be.
"""

from __future__ import annotations

from datetime import timedelta

from keyturn.api.conditions import ConditionType, condition
from keyturn.core.model import Existence
from support.memory_backend import KEYTURN, SOMEBODY, Role
from support.memory_cluster import OURS
from support.pods import parsed
from support.promises import Broken
from support.world import SPEC, START, World

BEGINS = frozenset({"ensure", "contain", "write-secret"})  # without one of them, nothing that serves was changed
REMAKE = frozenset({"gitops insists", "secret edited", "secret emptied", "secret reverted"})  # with one key alone
BEFORE_ALL = START - timedelta(seconds=1)


def came_to_rest(world: World, allowed: set[str]) -> None:
    """It ended in one of these ways, in the state that belongs to it, and stays there without a write."""
    if world.cluster.the_plan is None:
        _require(world, "Released" in allowed, "the plan is gone")
        jumped = not {"clock jumps ahead", "clock jumps back"}.isdisjoint(world.happened)  # back, and ahead again
        late = world.mode != "Graceful" or jumped  # nowhere to go, or out of time
        if late and any(event.reason == "EscrowKept" for event in world.cluster.said):
            _require(world, world.cluster.the_escrow is not None, "its escrow is not kept")
            return  # let go in the middle: people have the escrow, and an Event says so
        if BEGINS.isdisjoint(world.board.writes):
            return  # we did nothing, and are gone: what others did is theirs
        _holds(
            world,
            "orders_a"
            if "orders_a" in world.backend.roles and world.backend.roles["orders_a"].enabled
            else world.comes,
        )
        return
    _require(world, world.ended, "it never ended")
    _require(world, world.phase in allowed, "it ended otherwise")
    came = world.comes
    serves, left = (came, "orders_a") if world.phase == "Complete" else ("orders_a", came)
    if _changed_unseen(world, serves):
        _told_and_mended(world, serves)
    _holds(world, serves)
    _gone(world, left)
    _require(world, world.plan_status.current_id == serves, "the plan names another credential")
    escrow = world.cluster.the_escrow
    _require(world, escrow is not None and set(escrow.values) == {serves}, "the escrow holds another set of values")
    if world.phase == "RolledBack":
        found = world.cluster.secret_data
        lost = {"unmanaged"} - set(found) if _remade(world) else set[str]()
        before = {key: value for key, value in world.secret_before.items() if key not in lost}
        _require(world, found == before, "the Secret differs from before")
    _rests(world)


def _changed_unseen(world: World, serves: str) -> bool:
    """Did somebody close or lose what serves, or edit the Secret, after the look that the end was decided on?

    Or ever, where it ended before anything was changed: there is nothing to undo, and what others did is theirs.
    """
    role, cluster = world.backend.roles.get(serves), world.cluster
    last = BEFORE_ALL if BEGINS.isdisjoint(world.board.writes) else world.promises.last_look
    if role is None:
        return world.backend.restored_at is not None and world.backend.restored_at > last
    closed = not role.enabled and role.changed_by != KEYTURN and role.changed_at is not None and role.changed_at > last
    differs = cluster.secret_data.get("url") != world.secret_of(serves)["url"]
    edited = differs and cluster.secret_writers.get("url") != OURS and cluster.secret_changed > last
    return closed or edited


def _remade(world: World) -> bool:
    """Somebody deleted the Secret, and somebody else made another of that name: keys that are not ours stay lost."""
    return "secret deleted" in world.happened and not REMAKE.isdisjoint(world.happened)


def _told_and_mended(world: World, serves: str) -> None:
    world.run(1, until=lambda _world: False)
    world.clock.true += SPEC.check_every
    world.run(2, until=lambda _world: False)
    found, escrow = condition(world.plan_status.conditions, ConditionType.DRIFT_DETECTED), world.cluster.the_escrow
    _require(world, found is not None and found.status == "True", "others changed it last, and nobody was told")
    if (
        serves not in world.backend.roles and escrow is not None
    ):  # from a copy that was made before: what went comes back, what came goes
        world.backend.roles["orders_a"].retired = True
        world.backend.roles[serves] = Role(escrow.values[serves])
    world.backend.switch(serves, enabled=True, who=SOMEBODY)
    world.cluster.edit_secret(world.secret_of(serves), "kubectl")


def _holds(world: World, serves: str) -> None:
    """The Secret holds it, the backend takes it, every pod holds it and is ready."""
    role = world.backend.roles[serves]
    secret = parsed(world.cluster.secret_data["url"]) if world.cluster.secret_data.get("url") else None
    _require(world, role.state() is Existence.ACTIVE, f"{serves} is not enabled")
    _require(world, secret is not None and secret == (serves, role.value), f"the Secret does not hold {serves}")
    theirs = "unmanaged" in world.cluster.secret_data or not world.people.did or _remade(world)
    _require(world, theirs, "a key of others is gone")
    for _ in range(12):
        world.pass_time(None)
    for workload in world.cluster.workloads.values():
        for pod in (p for p in workload.pods if not (p.lost and p.uid in world.losses)):
            read = pod.mounted if workload.reload else pod.held
            held = parsed(read.value) if read is not None else None
            _require(world, pod.ready or workload.overridden is not None, f"{pod.name} is not ready")
            _require(
                world, held == (serves, role.value) or workload.overridden is not None, f"{pod.name} holds another"
            )


def _gone(world: World, left: str) -> None:
    role: Role | None = world.backend.roles.get(left)
    _require(world, role is None or role.retired, f"{left} is left over")
    known = {"orders_a", "orders_b", world.plan_status.current_id}
    others = [i for i, r in world.backend.roles.items() if i not in known and r.declared]
    _require(world, not others, f"{others} are left over")


def _rests(world: World) -> None:
    """I6: nothing is written any more, not even by an operator that starts anew."""
    world.run(1, until=lambda _world: False)
    world.clock.true += SPEC.check_every  # what a plan at rest is looked at for is noted once
    world.run(2, until=lambda _world: False)
    before = len(world.board.writes)
    world.cluster.read_back()
    world.restart_operator()
    world.run(3, until=lambda _world: False)
    late = world.board.writes[before:]
    _require(world, not late, f"it wrote after its end: {late}")


def _require(world: World, so: bool, words: str) -> None:  # noqa: FBT001 - read as a sentence
    if not so:
        status = world.rotation_status
        raise Broken(
            f"I6/I7: {words}; phase {world.phase or '-'}, waits for {status.blocked_by or '-'}, {world.phases}"
        )
