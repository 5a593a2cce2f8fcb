"""The operator as a process against a real API server and real backends, killed and deceived at its writes.

hack/test faults                 a sample
hack/test faults --all           every write of a rotation and of a rollback, over every backend
hack/test faults --all -k redis  over this one
"""

from __future__ import annotations

import pytest

from support.api_proxy import CRASHES, Fault
from support.campaign import Campaign
from support.runs import FAR_BACK, converged, each_once, some
from support.wish import Weather, Wish

pytestmark = [
    pytest.mark.integration,
    pytest.mark.enable_socket,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.filterwarnings("default::pytest.PytestUnraisableExceptionWarning"),  # connections break on purpose
]


async def test_the_named_run_is_replayed(campaign: Campaign, request: pytest.FixtureRequest) -> None:
    converged(await campaign.run([Wish.read(str(request.config.getoption("--replay")).partition(":")[2])]))


@pytest.mark.each_backend
@pytest.mark.fm(63)
async def test_without_faults_a_rotation_completes_and_an_aborted_one_restores_everything(campaign: Campaign) -> None:
    converged(await campaign.run([Wish(), Wish("Create"), Wish(FAR_BACK)]))


@pytest.mark.fm(1, 2, 3, 22, 42)
@pytest.mark.parametrize("abort_at", ["", FAR_BACK], ids=["rotation", "rollback"])
async def test_it_converges_whatever_happens_to_one_write(campaign: Campaign, abort_at: str, *, every: bool) -> None:
    numbers = range(1, len((await campaign.plain(abort_at)).writes) + 1)
    points = [(n, fault) for n in numbers for fault in CRASHES]
    chosen = points if every else each_once(numbers, CRASHES)
    outcomes = await campaign.run([Wish(abort_at, {str(n): fault}) for n, fault in chosen])
    converged(outcomes)
    unstruck = [outcome for outcome in outcomes if not outcome.struck]
    missed = [one.name for one in unstruck if any(int(n) <= len(one.writes) for n in one.wish.strikes)]
    assert not missed, f"never struck: {missed}"
    assert len(unstruck) <= 2 * len(CRASHES), "a run takes two writes more or less; these are too many"


@pytest.mark.fm(4)
async def test_it_converges_after_two_crashes(campaign: Campaign, *, every: bool) -> None:
    numbers = range(1, len((await campaign.plain(FAR_BACK)).writes))
    points = [(n, further, first, second) for n in numbers for further in (1, 2, 4)
              for first in (Fault.KILL_BEFORE, Fault.KILL_AFTER) for second in CRASHES]  # fmt: skip
    wishes = [Wish(FAR_BACK, {str(n): first, str(n + further): second})
              for n, further, first, second in some(points, 40 if every else 2)]  # fmt: skip
    converged(await campaign.run(wishes))


@pytest.mark.fm(41)
async def test_an_abort_in_any_phase_restores_everything(campaign: Campaign, *, every: bool) -> None:
    phases = ["Create", "Stage", "Roll", "Soak", "Disable", "Watch"]
    converged(await campaign.run([Wish(phase) for phase in (phases if every else some(phases, 1))]))


@pytest.mark.fm(58)
async def test_a_rotation_deleted_in_the_middle_restores_everything(campaign: Campaign, *, every: bool) -> None:
    phases = ["Stage", "Roll", "Soak", "Disable", FAR_BACK] if every else [FAR_BACK]
    converged(await campaign.run([Wish(phase, lost=True) for phase in phases]))


@pytest.mark.fm(46, 48, 51, 52)
async def test_it_converges_whatever_else_the_api_server_does(campaign: Campaign, *, every: bool) -> None:
    numbers = range(1, len((await campaign.plain(FAR_BACK)).writes) + 1)
    kinds = [Fault.CONFLICT, Fault.BUSY, Fault.BROKEN_BEFORE, Fault.BROKEN_AFTER, Fault.CUT]
    points = [(n, kind) for kind in kinds for n in some(numbers, 6)] if every else each_once(numbers, kinds)
    wishes = [Wish(FAR_BACK, {str(n): kind}) for n, kind in points]
    weathers = [Weather.SLOW, Weather.EXPIRED, *([Weather.FROZEN, Weather.AWAY] if every else [])]
    converged(await campaign.run([*wishes, *(Wish("", weather=weather) for weather in weathers)]))
