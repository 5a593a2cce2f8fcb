"""What only a running check can find: a clear reason, a way out, and nothing changed or lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from keyturn.api.conditions import condition
from keyturn.core.delivery import Delivery, Way
from keyturn.core.model import ConsumerRef, ObjectKey, Problem
from keyturn.core.sealed import Sealed
from support.memory_cluster import spec
from support.world import OLD_URL, START, World

API = ConsumerRef("Deployment", "shop", "api")
BACKEND_WRITES = {"ensure", "disable", "enable", "end-sessions", "delete", "write-secret"}


def asked_of_the_plan(world: World) -> tuple[str, str]:
    """Reason and words of the plan's Ready condition, which must not be True."""
    world.run(5)
    ready = condition(world.plan_status.conditions, "Ready")
    assert ready is not None
    assert ready.status == "False"
    return ready.reason, ready.message


def asked_of_the_rotation(world: World) -> tuple[str, str]:
    """Why the rotation waits in Preflight."""
    world.ask_for_rotation()
    world.run(8)
    status = world.cluster.the_rotations["orders-1"].status
    assert status.phase == "Preflight"
    return status.blockers[0].reason, status.blockers[0].message


def plan_says(world: World, **changes: object) -> None:
    assert world.cluster.the_plan is not None
    world.cluster.the_plan = replace(world.cluster.the_plan, spec=spec(**changes))


def _admin_missing(world: World) -> None:
    world.cluster.admin_exists = False


def _namespace(world: World) -> None:
    world.cluster.admits_namespace = False


def _secret_not_allowed(world: World) -> None:
    world.cluster.provider_allows["secrets"] = ["other-*"]


def _secret_is_admin(world: World) -> None:
    plan_says(world, secret={"name": "admin", "keys": {"url": "{username}:{password}"}})


def _secret_missing(world: World) -> None:
    world.cluster.delete_secret()


def _secret_immutable(world: World) -> None:
    world.cluster.secret_shown["immutable"] = True


def _secret_owned(world: World) -> None:
    world.cluster.secret_shown["controlled_by"] = "ExternalSecret/orders-db (external-secrets.io)"


def _template(world: World) -> None:
    world.cluster.edit_secret(
        {"url": Sealed("postgresql://orders_a:the-old-value-of-orders@elsewhere/shop")}, "kubectl"
    )


def _unknown_placeholder(world: World) -> None:
    plan_says(world, secret={"name": "orders-db", "keys": {"url": "{user}:{password}"}})


def _schedule(world: World) -> None:
    plan_says(world, schedule={"cron": "0 0 31 2 *"})


def _current_refused(world: World) -> None:
    world.backend.roles["orders_a"].value = Sealed("somebody changed it")


def _wrong_system(world: World) -> None:
    world.backend.system = "another"


def _second_plan(world: World) -> None:
    assert world.cluster.the_plan is not None
    world.cluster.other_plans = [replace(world.cluster.the_plan, key=ObjectKey("shop", "other"), uid="other")]


def _second_plan_on_role(world: World) -> None:
    assert world.cluster.the_plan is not None
    wish = spec(secret={"name": "another", "keys": {"url": "{username}:{password}"}})
    world.cluster.other_plans = [
        replace(world.cluster.the_plan, key=ObjectKey("shop", "other"), uid="other", spec=wish)
    ]


def _blind(world: World) -> None:
    world.provider.capabilities = replace(world.provider.capabilities, sees_refused_attempts=False)


def _unseen(world: World) -> None:
    world.provider.capabilities = replace(world.provider.capabilities, sees_use=False)


def _unlisted(world: World) -> None:
    world.provider.capabilities = replace(world.provider.capabilities, lists_sessions=False)


def _by_sessions_alone(world: World) -> None:
    _unlisted(world)
    plan = world.cluster.the_plan
    assert plan is not None
    world.cluster.the_plan = replace(plan, spec=spec(verify={"require": ["Mounted"]}))


def _short_watch(world: World) -> None:
    world.provider.capabilities = replace(world.provider.capabilities, disable_delay=timedelta(hours=1))


PLAN_REASONS: dict[str, Callable[[World], None]] = {
    "AdminSecretMissing": _admin_missing,
    "NamespaceNotAdmitted": _namespace,
    "SecretNotAllowed": _secret_not_allowed,
    "SecretIsAdmin": _secret_is_admin,
    "SecretMissing": _secret_missing,
    "SecretImmutable": _secret_immutable,
    "SecretOwnedByAnother": _secret_owned,
    "TemplateMismatch": _template,
    "UnknownPlaceholder": _unknown_placeholder,
    "InvalidSchedule": _schedule,
    "CurrentCredentialDoesNotWork": _current_refused,
    "WrongSystem": _wrong_system,
    "BlindSoak": _unseen,
    "BlindWatch": _blind,
    "SessionsUnlisted": _unlisted,
    "ProcessNotRequired": _by_sessions_alone,
    "WatchTooShort": _short_watch,
    "SecretShared": _second_plan,
    "RoleShared": _second_plan_on_role,
}


@pytest.mark.fm(9, 14, 32, 36)
@pytest.mark.parametrize("reason", sorted(PLAN_REASONS))
def test_a_plan_that_cannot_work_says_why_and_changes_nothing(reason: str) -> None:
    world = World()
    PLAN_REASONS[reason](world)
    world.cluster.workloads.clear()
    found, words = asked_of_the_plan(world)
    assert found == reason
    assert len(words) > 20
    assert not BACKEND_WRITES & set(world.board.writes)
    assert world.plan_status.adopted_at is None


@pytest.mark.parametrize("reason", ["SecretMissing", "TemplateMismatch", "WrongSystem", "SecretShared"])
def test_once_it_is_mended_the_plan_is_adopted_without_further_ado(reason: str) -> None:
    world = World()
    before = dict(world.cluster.secret_data)
    PLAN_REASONS[reason](world)
    workloads = dict(world.cluster.workloads)
    world.cluster.workloads.clear()
    asked_of_the_plan(world)
    world.cluster.edit_secret(before, "kubectl")
    world.backend.system = "one"
    world.cluster.other_plans = []
    world.cluster.workloads.update(workloads)
    world.run(3)
    assert world.plan_status.current_id == "orders_a"


def _no_consumer(world: World) -> None:
    plan_says(world, consumers={"list": []})
    world.cluster.workloads.clear()


def _listed_missing(world: World) -> None:
    plan_says(world, consumers={"list": [{"name": "nobody"}]})


def shown(**what: object) -> Callable[[World], None]:
    def act(world: World) -> None:
        world.cluster.workloads[API].shown.update(what)

    return act


def _split(world: World) -> None:
    keys = {"user": "{username}", "pass": "{password}"}
    world.cluster.edit_secret({"user": Sealed("orders_a"), "pass": Sealed("the-old-value-of-orders")}, "kubectl")
    plan_says(world, secret={"name": "orders-db", "keys": {**keys, "url": spec().secret.keys["url"]}})
    world.cluster.workloads[API].shown["deliveries"] = (
        Delivery("app", init=False, secret="orders-db", key="user", way=Way.ENV, place="PGUSER"),
        Delivery("app", init=False, secret="orders-db", key="pass", way=Way.FILE, place="/run/pass"),
    )


def _silent(world: World) -> None:
    world.probes_silent = True


def _stranger(world: World) -> None:
    world.backend.login("orders_a", Sealed("the-old-value-of-orders"), "10.9.9.9")


def _statefulset(world: World) -> None:
    world.cluster.add_bystander(OLD_URL)


def _shut_out(world: World) -> None:
    pod = next(iter(world.cluster.workloads[API].pods))
    world.backend.shut_out.add(pod.address)


ROTATION_REASONS: dict[str, Callable[[World], None]] = {
    "NoConsumer": _no_consumer,
    "ConsumerMissing": _listed_missing,
    "ConsumerPaused": shown(paused=True),
    "ConsumerRolling": shown(settled=False),
    "ConsumerUnhealthy": shown(healthy=False),
    "ConsumerWouldBeUnavailable": shown(kills_first=True),
    "SplitDelivery": _split,
    "ProbeSilent": _silent,
    "UnknownSession": _stranger,
    "ConsumerNotSupported": _statefulset,
    "HbaRefusesSlot": _shut_out,
}


@pytest.mark.fm(17, 24, 25)
@pytest.mark.parametrize("reason", sorted(ROTATION_REASONS))
def test_a_rotation_that_would_not_be_safe_waits_in_preflight_and_changes_nothing(reason: str) -> None:
    world = World()
    ROTATION_REASONS[reason](world)
    found, words = asked_of_the_rotation(world)
    assert found == reason
    assert len(words) > 20
    assert not BACKEND_WRITES & set(world.board.writes)
    assert world.cluster.secret_data["url"] == OLD_URL


def test_what_nobody_could_be_asked_in_preflight_stays_in_the_record() -> None:
    world = World()
    world.backend.unchecked = (Problem("PoolersNotAsked", "look at the poolers yourself"),)
    world.ask_for_rotation()
    world.run(400)
    assert world.phase == "Complete"
    status = world.cluster.the_rotations["orders-1"].status
    assert [(note.reason, note.message) for note in status.unchecked] == [
        ("PoolersNotAsked", "look at the poolers yourself")
    ]
    ready = condition(status.conditions, "Ready")
    assert ready is not None
    assert "PoolersNotAsked" in ready.message


@pytest.mark.fm(57)
def test_mending_the_plan_lets_a_rotation_that_waits_in_preflight_go_on() -> None:
    world = World()
    _listed_missing(world)
    assert asked_of_the_rotation(world)[0] == "ConsumerMissing"
    plan_says(world)
    world.run(400)
    assert world.phase == "Complete"
    assert world.cluster.the_plan is not None
    assert world.cluster.the_rotations["orders-1"].status.plan == world.cluster.the_plan.spec


def test_a_workload_that_stops_pods_first_is_rolled_when_its_owner_accepts_that() -> None:
    world = World()
    world.cluster.workloads[API].shown["kills_first"] = True
    accepts = {"name": "api", "allowUnavailable": True}
    plan_says(world, consumers={"list": [accepts, {"name": "worker", "reload": "PerConnection"}]})
    world.ask_for_rotation()
    world.run(400)
    assert world.phase == "Complete"


@pytest.mark.fm(39, 58)
@pytest.mark.parametrize("phase", ["Create", "Stage", "Roll", "Soak", "Disable", "Watch"])
def test_a_plan_deleted_in_mid_rotation_goes_back_and_then_lets_go(phase: str) -> None:
    world = World()
    world.ask_for_rotation()
    for _ in range(400):
        world.run(1)
        if world.phase == phase:
            break
    assert world.phase == phase
    assert world.cluster.the_plan is not None
    world.cluster.the_plan = replace(world.cluster.the_plan, deleting=True, deleted_at=world.clock.now())
    for _ in range(200):
        world.run(1)
        if world.cluster.the_plan is None:
            break
    assert world.cluster.the_plan is None
    assert world.cluster.secret_data["url"] == OLD_URL
    assert world.backend.roles["orders_a"].enabled
    assert world.cluster.the_escrow is None


@pytest.mark.fm(58)
@pytest.mark.parametrize("gone", ["backend", "namespace"])
def test_a_deleted_plan_whose_rotation_cannot_go_back_is_let_go_with_its_escrow_kept(gone: str) -> None:
    world = World()
    world.ask_for_rotation()
    for _ in range(400):
        world.run(1)
        if world.phase == "Soak":
            break
    if gone == "backend":
        world.backend.down = True
    else:  # a namespace that vanishes takes its Secrets first, the provider's too
        world.cluster.admin_exists = False
        world.cluster.delete_secret()
        world.cluster.workloads.clear()
    assert world.cluster.the_plan is not None
    world.cluster.the_plan = replace(world.cluster.the_plan, deleting=True, deleted_at=START)
    world.clock.true += timedelta(minutes=11)
    world.run(3)
    assert world.cluster.the_plan is None
    assert world.cluster.the_escrow is not None
    assert any(event.reason == "EscrowKept" for event in world.cluster.said)


def test_an_abort_before_any_change_ends_the_rotation_even_without_a_provider() -> None:
    world = World()
    world.probes_silent = True
    world.ask_for_rotation()
    world.run(6)
    assert world.phase == "Preflight"
    world.cluster.admin_exists = False
    world.abort()
    world.run(3)
    assert world.phase == "RolledBack"


@pytest.mark.fm(58)
def test_a_plan_deleted_in_preflight_is_let_go_at_once() -> None:
    world = World()
    world.probes_silent = True
    world.ask_for_rotation()
    world.run(6)
    world.cluster.admin_exists = False
    assert world.cluster.the_plan is not None
    world.cluster.the_plan = replace(world.cluster.the_plan, deleting=True, deleted_at=world.clock.now())
    world.run(2)
    assert world.cluster.the_plan is None


@pytest.mark.fm(12)
def test_a_value_written_between_preflight_and_create_is_never_taken_for_the_old_one() -> None:
    world = World()
    world.ask_for_rotation()
    for _ in range(100):
        world.run(1)
        if world.phase == "Create":
            break
    assert world.phase == "Create"
    foreign = Sealed(OLD_URL.reveal_text() + "?application_name=orders")
    world.cluster.edit_secret({"url": foreign}, "kubectl-edit")
    world.run(60)
    assert world.cluster.secret_data["url"] == foreign
    assert not {"ensure", "write-secret"} & set(world.board.writes)
