"""``approve``: what is shown, at 80 columns, is what is approved; who may not approve is told why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from keyturn.api.base import API_VERSION
from keyturn.api.kinds import CredentialProviderSpec
from keyturn.cli.approve import approve, question, withdraw
from keyturn.cli.views.plain import NARROW, plain
from keyturn.cli.views.question import question_page
from keyturn.kube.raw import Json
from keyturn.ports import Misconfigured, RotationRecord
from keyturn.reconciler.approvals import digest
from support.golden import assert_golden
from support.seen import NOW, PLAN_SPEC, before, plan, rotation
from unit.cli.test_verbs import PLANS, ApiInMemory, at

ME = "oidc:ann@example.com"  # by which the API in memory knows us
SHOP = f"/apis/{API_VERSION}/namespaces/shop"
PROVIDER: dict[str, Any] = {
    "postgres": {
        "adminSecretRef": {"name": "postgres-rotator"},
        "endpoints": [{"host": "postgres.shop.svc"}, {"name": "standby", "host": "postgres-ro.shop.svc"}],
        "database": "shop",
    },
    "allow": {"owners": ["orders_owner"], "slots": ["orders_*"]},
}
CONSUMERS = ["Deployment/orders-api@u1", "Deployment/orders-worker@u2"]
SYSTEM = "postgresql/7441298371625344011"


def waiting(*, phase: str = "Approve", asked: Json | None = None, **status: object) -> RotationRecord:
    wish = {"requestedBy": "oidc:bob@example.com", "reason": "ticket 1234"} | (asked or {})
    fields: dict[str, object] = {
        "phase": phase,
        "plan": PLAN_SPEC | {"retire": {"approvals": 2, "watch": "2h"}},
        "pods": {"total": 4, "proven": 4},
    }
    record = rotation("orders-db-42", made=before(minutes=12), asked=wish, **(fields | status))
    assert record.status.plan is not None
    carried_out = replace(plan(system_id=SYSTEM), spec=record.status.plan)
    shown = digest(record, CredentialProviderSpec.model_validate(PROVIDER), carried_out, CONSUMERS)
    state = {"needed": 2, "digest": shown, "consumers": CONSUMERS, "approvers": ["oidc:dave@example.com"]}
    fields |= status
    return rotation(
        "orders-db-42", made=before(minutes=12), asked=wish, **(fields | {"approval": fields.get("approval", state)})
    )


def world(record: RotationRecord, *, plan_edited_by: str = "oidc:carol@example.com") -> ApiInMemory:
    words = "role orders_backdoor can reach the data"
    found = {"where": "Inventory", "reason": "StrangerInInventory", "message": words, "since": before(hours=3)}
    api = ApiInMemory().put(plan(system_id=SYSTEM, drift=[found]), record)
    api.objects[f"{PLANS}/orders-db"]["metadata"]["annotations"] = {"edited-by.keyturn.dev/me": plan_edited_by}
    marks = {"edited-by.keyturn.dev/me": "oidc:olga@example.com"}
    api.objects[f"{SHOP}/credentialproviders/shop-postgres"] = {
        "metadata": {"name": "shop-postgres", "namespace": "shop", "annotations": marks},
        "spec": PROVIDER,
    }
    return api


SESSION = {"principal": "orders_a", "client": "10.88.0.12", "pod": "orders-cache-7c9d4f6b8-lm2qz"}
SCREENS = {
    "approve": waiting(),
    "approve-schedule": waiting(asked={"requestedBy": "", "reason": "Scheduled", "acceptLoss": ["pod-uid-1"]}),
    "approve-watch": waiting(phase="Watch", old_sessions=[SESSION]),
    "approve-containment": waiting(asked={"mode": "Containment"}, old_sessions=[SESSION], pods={}),
}


@pytest.mark.parametrize("name", SCREENS)
async def test_the_screen_says_everything_that_is_approved(name: str) -> None:
    strangers = ("orders_backdoor",) if name == "approve-containment" else ()
    shown = plain(question_page(await question(at(world(SCREENS[name])), "orders-db-42", strangers), NOW))
    assert max(map(len, shown.splitlines())) <= NARROW
    assert_golden(f"cli/{name}.txt", shown)


async def test_an_approval_binds_what_was_shown_and_goes_with_its_rotation() -> None:
    record = waiting()
    api = world(record)
    asked = await question(at(api), "orders-db-42", ("y", "x"))
    assert "kubectl keyturn withdraw orders-db-42" in await approve(at(api), asked, "looks right")
    path, body = api.created[-1]
    assert path == f"{SHOP}/rotationapprovals"
    assert record.status.approval is not None
    assert body["spec"] == {
        "rotationRef": {"name": "orders-db-42", "uid": record.uid},
        "digest": record.status.approval.digest,
        "approver": ME,
        "comment": "looks right",
        "strangers": ["x", "y"],
    }
    assert body["metadata"]["ownerReferences"][0]["uid"] == record.uid


async def test_saying_it_twice_changes_nothing_and_taking_it_back_removes_it() -> None:
    api = world(waiting())
    await approve(at(api), await question(at(api), "orders-db-42"), "")
    (path,) = [key for key in api.objects if "rotationapprovals/" in key]
    api.objects[path]["metadata"] |= {"uid": "u-9", "namespace": "shop"}
    assert "approved orders-db-42 before" in await approve(at(api), await question(at(api), "orders-db-42"), "")
    assert "waits for approval again" in await withdraw(at(api), "orders-db-42")
    assert path not in api.objects
    with pytest.raises(Misconfigured, match="have not approved"):
        await withdraw(at(api), "orders-db-42")


async def test_who_approved_what_is_over_stays_on_record() -> None:
    api = world(waiting())
    await approve(at(api), await question(at(api), "orders-db-42"), "")
    api.put(waiting(phase="Complete"))
    with pytest.raises(Misconfigured, match="is over"):
        await withdraw(at(api), "orders-db-42")
    assert [key for key in api.objects if "rotationapprovals/" in key]


async def test_what_changed_since_the_operator_looked_is_not_approved_unseen() -> None:
    api = world(waiting())
    api.objects[f"{SHOP}/credentialproviders/shop-postgres"]["spec"] = PROVIDER | {"allow": {"owners": ["everything"]}}
    with pytest.raises(Misconfigured, match="something changed this very moment"):
        await question(at(api), "orders-db-42")


@pytest.mark.parametrize(
    ("record", "editor", "why"),
    [
        (waiting(asked={"requestedBy": ME}), "x", "asked for the rotation; somebody else"),
        (waiting(), ME, "edited the plan; somebody else"),
        (waiting(phase="Roll"), "x", "in Roll, where nobody is asked"),
        (waiting(phase="Soak", asked={"mode": "Containment"}), "x", "in Soak, where nobody is asked"),
        (waiting(approval=None), "x", "neither plan nor provider want approvals"),
        (waiting(phase="Complete"), "x", "nothing left to approve"),
        (waiting(phase="Unroll"), "x", "nothing left to approve"),
    ],
)
async def test_who_may_not_approve_is_told_why(record: RotationRecord, editor: str, why: str) -> None:
    with pytest.raises(Misconfigured, match=why):
        await question(at(world(record, plan_edited_by=editor)), "orders-db-42")
