"""Where faults can strike: every look and every write of a run without faults; and the schedules made of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from support.catalogue import FAULTS, STALL
from support.scenarios import SCENARIOS
from support.schedules import BEFORE, Happening, Schedule
from support.switchboard import Strike
from support.world import World


@dataclass(frozen=True, slots=True)
class Points:
    """Of one scenario."""

    looks: tuple[str, ...]  # Roll+2
    telling: tuple[str, ...]  # those looks before which something had changed
    writes: tuple[str, ...]  # write-secret#1


@cache
def points_of(scenario: str) -> Points:
    """From a run without faults."""
    seen: list[tuple[str, object]] = []

    def note(world: World) -> None:
        look = f"{world.phase or 'Start'}+{world.ticks_in[world.phase] - 1}"
        seen.append((look, (world.phase, world.fingerprint())))

    world = SCENARIOS[scenario].make()
    world.people_act = True
    world.happenings.append(note)
    world.ask_for_rotation()
    world.run(400)
    telling = tuple(look for i, (look, so) in enumerate(seen) if i == 0 or so != seen[i - 1][1])
    return Points(tuple(look for look, _ in seen), telling, tuple(world.board.points))


def single_faults(scenario: str, *, every_look: bool) -> Iterator[Schedule]:
    """Every fault at every look; or only at looks before which something had changed."""
    points = points_of(scenario)
    for name in FAULTS:
        for when in points.looks if every_look else points.telling:
            yield Schedule(scenario, (Happening(name, when),))


def faults_inside(scenario: str) -> Iterator[Schedule]:
    """Every fault inside a look: it was decided to write, and it strikes before the write."""
    for name in FAULTS:
        for write in points_of(scenario).writes:
            yield Schedule(scenario, (Happening(name, BEFORE + write),))


def stalls(scenario: str) -> Iterator[Schedule]:
    """A leader is stopped right before each of its writes while another one goes on, or goes back."""
    for write in points_of(scenario).writes:
        yield Schedule(scenario, (Happening(STALL.name, BEFORE + write),))
        yield Schedule(scenario, (Happening(STALL.name, BEFORE + write), Happening("abort", BEFORE + write)))


def crashes(scenario: str) -> Iterator[Schedule]:
    """Killed before, killed after, and with a lost answer, at every write."""
    for write in points_of(scenario).writes:
        for strike in Strike:
            yield Schedule(scenario, (Happening(strike, write),))


def double_crashes(first: Schedule, tried: Sequence[str], *, within: int) -> Iterator[Schedule]:
    """Once more while the operator recovers: at each of the writes that followed the first strike."""
    (strike,) = first.happenings
    after = tried.index(strike.when) + 1
    for write in tried[after : after + within]:
        for second in Strike:
            yield Schedule(first.scenario, (strike, Happening(second, write)))
