"""What others change after the operator's last look, and what it says meanwhile."""

from __future__ import annotations

import pytest

from keyturn.core.sealed import Sealed
from support.points import points_of
from support.promises import Broken
from support.scenarios import SCENARIOS
from support.schedules import BEFORE, Happening, Schedule, play
from support.world import OLD_URL, World


@pytest.mark.fm(13, 43)
@pytest.mark.parametrize("fault", ["old closed by hand", "secret edited", "secret deleted", "secret reverted"])
@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_what_is_changed_after_the_look_that_the_end_was_decided_on_is_told_and_once_mended_all_is_well(
    scenario: str, fault: str
) -> None:
    """Nobody can have seen it: the rotation ends, and the plan at rest says what it finds."""
    ended = [write for write in points_of(scenario).writes if write.startswith("save-rotation")][-1]
    world = play(Schedule(scenario, (Happening(fault, BEFORE + ended),)))
    assert world.conductor is not None
    assert world.conductor.happened
    assert world.plan_status.drift == []


def test_a_value_that_is_said_anywhere_breaks_a_promise() -> None:
    for words in (OLD_URL.reveal_text(), "dGhlLW9sZC12YWx1ZS1vZi1vcmRlcnM"):
        with pytest.raises(Broken, match="I4"):
            World().promises.said(f"a login failed: {words}")
    World().promises.said(f"a login failed: {Sealed('the-old-value-of-orders')}")
