"""What people see, at 80 columns, kept in tests/golden/cli."""

from __future__ import annotations

from datetime import timedelta

import pytest
from rich.console import RenderableType

from keyturn.api.kinds import Blocker, SessionLine, Unchecked
from keyturn.cli.views.plain import NARROW, plain
from keyturn.cli.views.plans import plan_list, plan_page
from keyturn.cli.views.reasons import plan_reasons, rotation_reasons
from keyturn.cli.views.spans import ahead, span
from keyturn.cli.views.tree import fitting_tree, rotation_tree
from keyturn.ports import RotationRecord
from support.golden import assert_golden
from support.seen import NOW, before, condition, history, plan, pod, rotation

FORWARD = ("Preflight", "Create", "Stage", "Roll", "Verify")
PODS = [
    pod("orders-cache-7c9d4f6b8-lm2qz", "orders-cache", "Old", "its connection is older", Session="Old", Process="New"),
    pod("orders-api-6d5f9c7b4-2xkzt", "orders-api", "None", "no session yet", Session="None", Process="New"),
    pod("orders-api-6d5f9c7b4-9wq8r", "orders-api", Session="New", Process="New"),
    pod("orders-worker-5b8f7d9c6-p4t6v", "orders-worker", Session="New", Mounted="New"),
]
SESSION = SessionLine(
    principal="orders_a",
    client="10.88.0.12",
    consumer="Deployment/orders-cache",
    pod="orders-cache-7c9d4f6b8-lm2qz",
    since=before(hours=5),
)
BLOCKERS = [
    Blocker(reason="PodsUnproven", message="2 of 4 pods prove the new credential"),
    Blocker(
        reason="PodUnproven",
        message="its connection is older than the new credential; it is restarted",
        pod="orders-cache-7c9d4f6b8-lm2qz",
        consumer="Deployment/orders-cache",
    ),
]


def verifying(**status: object) -> RotationRecord:
    fields: dict[str, object] = {
        "phase": "Verify",
        "entered_at": before(seconds=10),
        "history": history(*FORWARD),
        "pods": {"total": 4, "proven": 2},
        "proven": "2/4",
        "pod_proofs": PODS,
        "old_sessions": [SESSION],
        "blocked_by": "PodsUnproven",
        "blockers": BLOCKERS,
    }
    return rotation(**(fields | status))


def soaking() -> RotationRecord:
    return rotation(
        phase="Soak",
        entered_at=before(seconds=10),
        history=history(*FORWARD, "Soak"),
        clock={"observed": timedelta(seconds=9), "last": NOW},
        pods={"total": 4, "proven": 4},
        proven="4/4",
        blockers=[Blocker(reason="Soaking", message="the old credential must stay unused for 30s")],
    )


def rolled_back() -> RotationRecord:
    return rotation(
        phase="RolledBack",
        history=history(*FORWARD, "Enable", "Restore", "Unroll", "Confirm", "Discard", "RolledBack"),
        completed_at=before(seconds=10),
        turned_back={"reason": "ProgressDeadlineExceeded", "message": "Deployment/orders-api does not become ready"},
    )


def going_back() -> RotationRecord:
    return rotation(
        phase="Unroll",
        entered_at=before(seconds=10),
        history=history("Preflight", "Create", "Stage", "Roll", "Enable", "Restore", "Unroll"),
        turned_back={"reason": "Aborted", "message": "aborted on request; the old credential serves again"},
        blockers=[Blocker(reason="RolloutInProgress", message="waiting for the rollout of Deployment/orders-api")],
    )


def paused() -> RotationRecord:
    words = {
        "reason": "SecretContested",
        "message": "argocd keeps writing the Secret; both credentials stay valid. Stop it from managing these keys, "
        "then abort",
    }
    return verifying(paused=words, blockers=[Blocker.model_validate(words)], old_sessions=[])


def complete() -> RotationRecord:
    phases = (*FORWARD, "Soak", "Approve", "Disable", "Watch", "Delete", "Complete")
    return rotation(phase="Complete", history=history(*phases), completed_at=before(seconds=10), proven="4/4")


def refused() -> RotationRecord:
    words = "a Rotation of this name ran already and is not run again; make one with another name"
    stale = [condition("Ready", "False", "AlreadyRan", words), condition("Stalled", "True", "AlreadyRan", words)]
    return rotation(phase="Refused", old_id="", new_id="", conditions=stale, completed_at=NOW)


def reopened() -> RotationRecord:
    phases = (*FORWARD, "Soak", "Approve", "Disable", "Verify")
    return verifying(history=history(*phases), reopened=True, old_sessions=[])


QUIET = [condition("Stalled", "False", "Adopted"), condition("DriftDetected", "False", "AsExpected")]
READY = [condition("Ready", "True", "Adopted", "orders_a serves; nothing is under way")]
BLOCKED = [
    condition("Ready", "False", "HostNotAllowed", "endpoint db2 is not a host of the admin Secret; remove it"),
    condition("Stalled", "True", "HostNotAllowed", "endpoint db2 is not a host of the admin Secret; remove it"),
]
UNCHECKED = [
    Unchecked(reason="PoolersNotAsked", message="A pooler has its own list of users: it must admit both slots.")
]
DRIFT = [
    {
        "where": "Secret",
        "reason": "SecretReverted",
        "message": "argocd-controller put orders_b back into Secret orders-db, though orders_a serves; stop that "
        "writer, then put orders_a back",
        "since": before(minutes=3),
    },
    {
        "where": "Inventory",
        "reason": "StrangerInInventory",
        "message": "mallory can reach the data of this plan's owner and nobody declared it; remove it, or declare it",
        "since": before(days=2),
    },
]
NEXT = NOW + timedelta(days=1, hours=3)

VIEWS = {
    "status-list": lambda: plan_list(
        [
            plan(conditions=READY, last_rotation_phase="Complete", next_rotation_time=NEXT),
            plan("billing-database-production", conditions=BLOCKED, current_id=""),
            plan("old", suspend=True, conditions=READY),
        ],
        NOW,
    ),
    "status-everywhere": lambda: plan_list([plan(conditions=READY)], NOW, everywhere=True),
    "status-none": lambda: plan_list([], NOW),
    "status-plan": lambda: plan_page(plan(conditions=READY, next_rotation_time=NEXT), [verifying(), complete()], NOW),
    "status-plan-unchecked": lambda: plan_page(
        plan(conditions=[*READY, *QUIET]), [verifying(unchecked=UNCHECKED)], NOW
    ),
    "why-verify": lambda: rotation_reasons(verifying(), NOW),
    "why-soak": lambda: rotation_reasons(soaking(), NOW),
    "why-paused": lambda: rotation_reasons(paused(), NOW),
    "why-going-back": lambda: rotation_reasons(going_back(), NOW),
    "why-rolled-back": lambda: rotation_reasons(rolled_back(), NOW),
    "why-refused": lambda: rotation_reasons(refused(), NOW),
    "watch-refused": lambda: rotation_tree(refused(), NOW),
    "why-complete": lambda: rotation_reasons(complete(), NOW),
    "why-not-begun": lambda: rotation_reasons(rotation(phase="", old_id="", new_id=""), NOW),
    "why-not-begun-plan-blocked": lambda: rotation_reasons(
        rotation(phase="", old_id="", new_id=""), NOW, plan(conditions=BLOCKED)
    ),
    "why-plan-ready": lambda: plan_reasons(plan(conditions=READY), complete(), NOW),
    "why-plan-blocked": lambda: plan_reasons(plan(conditions=BLOCKED), None, NOW),
    "why-plan-drifted": lambda: plan_reasons(plan(conditions=READY, drift=DRIFT), complete(), NOW),
    "why-plan-unseen": lambda: plan_reasons(plan(), None, NOW),
    "watch-verify": lambda: rotation_tree(verifying(), NOW),
    "watch-soak": lambda: rotation_tree(soaking(), NOW),
    "watch-going-back": lambda: rotation_tree(going_back(), NOW),
    "watch-rolled-back": lambda: rotation_tree(rolled_back(), NOW),
    "watch-complete": lambda: rotation_tree(complete(), NOW),
    "watch-reopened": lambda: rotation_tree(reopened(), NOW),
    "watch-plan-blocked": lambda: rotation_tree(soaking(), NOW, plan(conditions=BLOCKED)),
    "watch-not-begun": lambda: rotation_tree(rotation(phase="", old_id="", new_id=""), NOW),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_reads_as_it_was_reviewed_and_fits_eighty_columns(name: str) -> None:
    view: RenderableType = VIEWS[name]()
    text = plain(view)
    assert max(len(line) for line in text.splitlines()) <= NARROW
    assert_golden(f"cli/{name}.txt", text)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "0s"), (0, "0s"), (119, "119s"), (134, "2m14s"), (180, "3m"), (11520, "3h12m"), (446400, "5d4h")],
)
def test_a_span_reads_like_kubectls_ages(seconds: int, words: str) -> None:
    assert span(timedelta(seconds=seconds)) == words


def test_a_moment_that_has_passed_is_due_and_none_means_on_request() -> None:
    assert ahead(before(minutes=1), NOW).endswith("(due)")
    assert ahead(None, NOW) == "only on request"


def test_fifty_unproven_pods_are_counted_and_not_all_drawn() -> None:
    many = [pod(f"orders-api-{i:02}", "orders-api", "None") for i in range(50)]
    text = plain(rotation_tree(verifying(pod_proofs=many, pods={"total": 200, "proven": 0}), NOW))
    assert "and 188 more" in text
    assert len(text.splitlines()) < 40


def test_a_phase_of_a_newer_version_is_shown_as_it_is() -> None:
    assert "Quarantine" in plain(rotation_tree(rotation(phase="Quarantine"), NOW))


@pytest.mark.parametrize("height", [22, 30, 60])
def test_a_rotation_of_many_pods_and_sessions_fits_the_terminal_and_counts_what_it_leaves_out(height: int) -> None:
    pods = [pod(f"orders-api-6d5f9c7b4-{i:05}", "orders-api", "Old", "Session shows the old one") for i in range(30)]
    pool = [SESSION.model_copy(update={"pod": line.pod, "client": f"10.88.0.{i}"}) for i, line in enumerate(pods)]
    record = verifying(pod_proofs=pods, old_sessions=pool * 3, pods={"total": 30, "proven": 0})
    text = plain(fitting_tree(record, NOW, None, width=NARROW, height=height))
    assert text.count("\n") <= height
    assert "more pods" in text
    assert "more with sessions open" in text
    assert text.startswith(record.key.name)
    assert "Delete" in text


@pytest.mark.parametrize(
    ("reason", "words"),
    [("Frozen", "Lift the freeze when you are done"), ("AwaitingApproval", "kubectl keyturn approve orders-db-x7k2p")],
)
def test_what_people_hold_up_is_not_said_to_end_by_itself(reason: str, words: str) -> None:
    blocked = verifying(phase="Approve", blockers=[Blocker(reason=reason, message="people are waited for")])
    text = plain(rotation_reasons(blocked, NOW))
    assert words in text
    assert "Nothing" not in text


def test_of_phases_that_were_entered_in_one_moment_the_former_took_no_time() -> None:
    moments = {"Roll": 40, "Verify": 30, "Soak": 30, "Approve": 5, "Disable": 5}
    entries = [{"phase": phase, "at": before(seconds=ago)} for phase, ago in moments.items()]
    text = plain(rotation_tree(rotation(phase="Disable", history=entries), NOW))
    rows = [line.split()[2:4] for line in text.splitlines() if line.startswith("├")]
    took = {row[0]: row[1] for row in rows if len(row) > 1}
    assert took == {"Roll": "10s", "Verify": "0s", "Soak": "25s", "Approve": "0s", "Disable": "5s"}


def test_a_rotation_that_went_back_does_not_make_the_current_credential_newer() -> None:
    brought = rotation("orders-db-1", phase="Complete", new_id="orders_a", completed_at=before(days=3))
    back = rotation("orders-db-2", phase="RolledBack", completed_at=before(minutes=1))
    after = plan(last_rotation_time=before(minutes=1), ran=["orders-db-1", "orders-db-2"])
    assert "orders_a, for 3d" in plain(plan_page(after, [back, brought], NOW))

    never_left = plan(last_rotation_time=before(minutes=1), ran=["orders-db-2"])
    assert "orders_a, for 12d" in plain(plan_page(never_left, [back], NOW))

    forgotten = plain(plan_page(after, [back], NOW))  # historyLimit took the record of who brought it
    assert "orders_a\n" in forgotten


@pytest.mark.parametrize("consumer", ["Pod/keyturn-operator-1", "CredentialProvider/shop-postgres"])
def test_whoever_is_no_workloads_pod_is_named_once(consumer: str) -> None:
    who = consumer if consumer.startswith("Cred") else consumer.removeprefix("Pod/")
    blocker = Blocker(reason="OldCredentialInUse", message="a session from 10.0.0.1", pod=who, consumer=consumer)
    text = plain(rotation_reasons(verifying(blockers=[blocker], pod_proofs=[], old_sessions=[]), NOW))
    assert f"  - {who}: a session from 10.0.0.1" in text


def test_where_nothing_is_named_nothing_is_said_to_stand_above() -> None:
    text = plain(rotation_reasons(verifying(phase="Soak", blockers=[], old_sessions=[]), NOW))
    assert "Nothing: it goes on by itself." in text
    assert "the above" not in text


def test_a_pool_of_sessions_is_one_line() -> None:
    text = plain(rotation_reasons(verifying(old_sessions=[SESSION] * 4), NOW))
    assert text.count("10.88.0.12") == 1
