"""Counting approvals: pure, and each reason not to count one by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keyturn.api.kinds import CredentialProviderSpec, RotationPlanSpec
from keyturn.core.model import Consent
from keyturn.reconciler import approvals
from support.consent import ANN, BOB, CAROL, approval
from support.seen import PLAN_SPEC, plan, rotation

DIGEST = "a" * 64
UID = "uid-orders-1"
PROVIDER = CredentialProviderSpec.model_validate(
    {
        "postgres": {"adminSecretRef": {"name": "admin"}, "endpoints": [{"host": "db"}], "database": "shop"},
        "allow": {"owners": ["orders_owner"]},
    }
)
TERMS = CredentialProviderSpec.model_validate({"approvals": {"minimum": 1}})


def count(*said: object, needed: int = 1) -> Consent:
    return approvals.counted(Consent(needed, DIGEST), said, UID, {ANN: "asked for the rotation"})  # type: ignore[arg-type]


def test_one_person_counts_once_however_often_he_says_it() -> None:
    twice = [approval(BOB, DIGEST), replace(approval(BOB, DIGEST), uid="another")]
    assert count(*twice).approvers == (BOB,)


def test_an_approval_of_an_earlier_rotation_of_that_name_says_nothing() -> None:
    said = count(approval(BOB, DIGEST, uid="uid-of-another-run"))
    assert said.approvers == ()
    assert said.void == ()


def test_an_approval_that_is_being_deleted_is_taken_back() -> None:
    assert count(approval(BOB, DIGEST, deleting=True)).approvers == ()


@pytest.mark.parametrize("who", ["system:serviceaccount:ci:deployer", "system:anonymous", "system:node:n1", ANN])
def test_what_does_not_count_says_why(who: str) -> None:
    said = count(approval(who, DIGEST))
    assert said.approvers == ()
    assert who in said.void[0].message


def test_strangers_are_cut_off_only_when_enough_people_name_them() -> None:
    first, second = approval(BOB, DIGEST, strangers=("x", "y")), approval(CAROL, DIGEST, strangers=("y",))
    assert count(first, needed=1).strangers == ("x", "y")
    assert count(first, second, needed=2).strangers == ("y",)
    assert count(approval(ANN, DIGEST, strangers=("x",))).strangers == ()


@pytest.mark.parametrize(
    ("wished", "terms", "requester", "people"),
    [
        (0, 0, "", 0),
        (0, 0, ANN, 0),
        (1, 0, ANN, 1),
        (0, 1, ANN, 1),
        (1, 3, ANN, 3),
        (1, 0, "", 2),
        (0, 1, "system:serviceaccount:ci:deployer", 2),
        (3, 0, "", 3),
    ],
)
def test_how_many_people_must_agree(wished: int, terms: int, requester: str, people: int) -> None:
    spec = RotationPlanSpec.model_validate(PLAN_SPEC | {"retire": {"approvals": wished}})
    minimum = CredentialProviderSpec.model_validate({"approvals": {"minimum": terms}})
    assert approvals.needed(spec, minimum, requester) == people


def test_everything_that_would_be_carried_out_is_in_the_digest() -> None:
    record, policy, consumers = rotation(), plan(), ("Deployment/orders-api@u1",)
    base = approvals.digest(record, PROVIDER, policy, consumers)
    status, asked = record.status, record.spec
    others = [
        approvals.digest(replace(record, uid="u2"), PROVIDER, policy, consumers),
        approvals.digest(
            replace(record, status=status.model_copy(update={"old_id": "x"})), PROVIDER, policy, consumers
        ),
        approvals.digest(
            replace(record, status=status.model_copy(update={"new_id": "x"})), PROVIDER, policy, consumers
        ),
        approvals.digest(replace(record, spec=asked.model_copy(update={"mode": "Other"})), PROVIDER, policy, consumers),
        approvals.digest(
            replace(record, spec=asked.model_copy(update={"accept_loss": ["p1"]})), PROVIDER, policy, consumers
        ),
        approvals.digest(record, TERMS, policy, consumers),
        approvals.digest(record, PROVIDER, plan(suspend=True), consumers),
        approvals.digest(record, PROVIDER, plan(system_id="another"), consumers),
        approvals.digest(record, PROVIDER, policy, ("Deployment/orders-api@u2",)),
    ]
    assert len({base, *others}) == 1 + len(others)
    assert approvals.digest(rotation(phase="Watch"), PROVIDER, plan(), consumers) == base  # where it stands is not
