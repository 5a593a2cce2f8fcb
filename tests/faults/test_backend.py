"""The same at the backend: the operator killed and deceived at its calls of the backend, whichever it is."""

from __future__ import annotations

import pytest

from support.api_proxy import CRASHES, Fault
from support.campaign import Campaign
from support.runs import FAR_BACK, converged, each_once, some
from support.wish import Wish

pytestmark = [
    pytest.mark.integration,
    pytest.mark.enable_socket,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.filterwarnings("default::pytest.PytestUnraisableExceptionWarning"),  # connections break on purpose
]


@pytest.mark.each_backend
@pytest.mark.fm(1, 2, 3, 5, 40, 42)
@pytest.mark.parametrize("abort_at", ["", FAR_BACK], ids=["rotation", "rollback"])
async def test_it_converges_whatever_happens_to_one_change(campaign: Campaign, abort_at: str, *, every: bool) -> None:
    changes = campaign.changes((await campaign.plain(abort_at)).calls)
    assert len(changes) >= 3, changes
    points = [(call, fault) for call in changes for fault in CRASHES]
    chosen = points if every else each_once(changes, CRASHES)
    outcomes = await campaign.run([Wish(abort_at, {call: fault}) for call, fault in chosen])
    converged(outcomes)
    missed = [outcome.name for outcome in outcomes if not outcome.struck]
    assert not missed, f"never struck: {missed}"


async def test_it_converges_whatever_happens_to_one_question(campaign: Campaign, *, every: bool) -> None:
    """Each kind of call when it is first made, and calls all over the rest of the run."""
    calls = (await campaign.plain(FAR_BACK)).calls
    first = [call for call in calls if call.endswith("#1") and call not in campaign.changes(calls)]
    chosen = [*first, *some(calls, 20)] if every else some(first, 1)
    faults = (Fault.KILL_BEFORE, Fault.LOSE_ANSWER) if every else (Fault.LOSE_ANSWER,)
    converged(await campaign.run([Wish(FAR_BACK, {call: fault}) for call in chosen for fault in faults]))


@pytest.mark.fm(53)
async def test_it_converges_when_the_backend_goes_away_for_a_while(campaign: Campaign, *, every: bool) -> None:
    changes = campaign.changes((await campaign.plain(FAR_BACK)).calls)
    chosen = changes if every else some(changes, 1)
    converged(await campaign.run([Wish(FAR_BACK, {call: Fault.CUT}) for call in chosen]))
