"""A quick part of what ``hack/test world`` enumerates: enough to notice most mistakes within seconds.

One that fails is replayed with ``hack/test world --replay 'SCHEDULE'``.
"""

from __future__ import annotations

import pytest

from keyturn.core.rotation import FORWARD
from support.catalogue import FAULTS
from support.oracle import writes_alike
from support.points import crashes, points_of
from support.promises import Broken
from support.scenarios import SCENARIOS
from support.schedules import Happening, Schedule, play
from support.seeds import by_seed

QUICK = ("Create+1", "Roll+1", "Soak+0", "Watch+0")


@pytest.mark.fm(1, 2, 3, 5, 33, 35, 40, 42)
@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_a_crash_or_a_lost_answer_at_every_write_changes_nothing_in_the_outcome(scenario: str) -> None:
    calm = play(Schedule(scenario))
    for schedule in list(crashes(scenario))[::4]:  # each write once, with one strike after the other
        world = play(schedule)
        assert world.phase == calm.phase, str(schedule)
        for kind in ("ensure", "disable", "enable", "delete", "write-secret", "restart"):
            assert world.board.writes.count(kind) <= calm.board.writes.count(kind) + 1, (str(schedule), kind)


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_any_one_fault_ends_well_and_every_promise_holds(fault: str) -> None:
    for when in QUICK:
        play(Schedule("rotation", (Happening(fault, when),)))


def test_a_schedule_reads_as_it_is_written() -> None:
    text = "rollback: backend down@Roll+2 & kill-after@write-secret#1 & secret edited@before restart#1"
    assert str(Schedule.parse(text)) == text


def test_the_run_without_faults_looks_in_every_phase_that_waits() -> None:
    looked = {look.partition("+")[0] for look in points_of("rotation").looks}
    assert {str(s.phase) for s in FORWARD} - looked <= {"Preflight", "Verify", "Approve"}  # passed within one look


def test_a_seed_is_always_the_same_schedule_and_holds_its_promises() -> None:
    for seed in range(12):
        assert by_seed(seed) == by_seed(seed)
        play(by_seed(seed))


@pytest.mark.fm(38, 44)
@pytest.mark.parametrize("write", ["ensure#1", "write-secret#1", "disable#1"])
def test_either_of_two_that_believe_to_lead_is_stopped_before_a_write(write: str) -> None:
    world = play(Schedule.parse(f"rotation: second operator@Start+1 & leader stalls@before {write}"))
    assert world.conductor is not None
    assert f"leader stalls@before {write}" in world.conductor.happened


def test_a_write_too_many_is_noticed_although_the_end_is_the_same() -> None:
    world = play(Schedule("rotation"))
    world.board.writes.append("restart")
    with pytest.raises(Broken, match="restart 2 times, not 1"):
        writes_alike(world, "rotation", 0)
