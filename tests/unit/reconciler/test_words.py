"""Every phase that can be entered has its sentence."""

from __future__ import annotations

import pytest

from keyturn.core.model import Mode, ObjectKey, Phase, Policy, Problem, Rotation
from keyturn.core.rotation import BACKWARD, FORWARD
from keyturn.reconciler.words import entered

PHASES = [s.phase for s in (*FORWARD[1:], *BACKWARD)] + [Phase.COMPLETE, Phase.ROLLED_BACK]


@pytest.mark.parametrize("phase", PHASES)
def test_an_event_tells_what_was_seen_and_what_happens_now(phase: Phase) -> None:
    rotation = Rotation("uid", "orders-1", ObjectKey("shop", "orders"), Policy(), phase, old_id="a", new_id="b")
    told = entered(rotation, rotation.phase)
    assert len(told) > 15
    assert "{" not in told


def test_disable_says_that_old_stayed_idle_only_where_that_was_seen() -> None:
    rotation = Rotation("uid", "keys-1", ObjectKey("shop", "keys"), Policy(), Phase.DISABLE, old_id="a", new_id="b")
    assert "a stayed idle" in entered(rotation, rotation.phase)
    told = entered(rotation, rotation.phase, unseen=True)
    assert "idle" not in told
    assert "every pod proved b" in told
    assert "nobody can say who else uses a" in told


@pytest.mark.parametrize("unseen", [False, True])
def test_where_there_is_no_soak_nothing_is_said_of_one(*, unseen: bool) -> None:
    policy = Policy(mode=Mode.AVAILABILITY)
    rotation = Rotation("uid", "r", ObjectKey("shop", "p"), policy, Phase.DISABLE, old_id="a", new_id="b")
    told = entered(rotation, rotation.phase, unseen=unseen)
    assert told == "every pod proves b; disabling a, which somebody else may know"


def test_a_rollback_says_why() -> None:
    why = Problem("RolloutDeadlineExceeded", "Deployment/api did not finish")
    rotation = Rotation(
        "uid", "r", ObjectKey("shop", "p"), Policy(), Phase.ENABLE, old_id="a", new_id="b", turned_back=why
    )
    assert entered(rotation, rotation.phase).startswith("Deployment/api did not finish; going back")
