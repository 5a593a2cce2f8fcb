"""Pairs of faults: first so that every ordered pair of kinds occurs in every phase of the first, then all others."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator

from support.catalogue import FAULTS, KINDS
from support.points import points_of
from support.scenarios import SCENARIOS
from support.schedules import Happening, Schedule

_LATER = (1, 2)  # the second begins so many looks after the first


def pairs() -> Iterator[Schedule]:
    """Every ordered pair of kinds in every phase of every scenario; then every other pair of faults, shuffled."""
    dice = random.Random(1)
    spots = [(scenario, look) for scenario in SCENARIOS for look in _first_looks(scenario)]
    wanted = list(itertools.product(KINDS, KINDS, spots))
    dice.shuffle(wanted)
    for first, second, spot in wanted:
        yield _pair(dice, dice.choice(_of(first)), dice.choice(_of(second)), spot)
    rest = list(itertools.product(FAULTS, FAULTS, spots))
    dice.shuffle(rest)
    for first, second, spot in rest:
        if first != second:
            yield _pair(dice, first, second, spot)


def covered(played: Iterable[str]) -> str:
    """How many ordered pairs of kinds, each in a phase of the first, these schedules hold."""
    spots = {(scenario, look.partition("+")[0]) for scenario in SCENARIOS for look in points_of(scenario).looks}
    seen = set()
    for text in played:
        schedule = Schedule.parse(text)
        first, second = schedule.happenings
        phase = first.when.partition("+")[0]
        seen.add((FAULTS[first.name].kind, FAULTS[second.name].kind, schedule.scenario, phase))
    return f"{len(seen)} of {len(KINDS) ** 2 * len(spots)} ordered pairs of kinds x phase of the first"


def _first_looks(scenario: str) -> list[str]:
    return [look for look in points_of(scenario).looks if look.endswith("+0")]


def _of(kind: str) -> list[str]:
    return [fault.name for fault in FAULTS.values() if fault.kind == kind]


def _pair(dice: random.Random, first: str, second: str, spot: tuple[str, str]) -> Schedule:
    scenario, look = spot
    looks = points_of(scenario).looks
    later = looks[min(looks.index(look) + dice.choice(_LATER), len(looks) - 1)]
    if first == second:
        second = dice.choice([name for name in _of(FAULTS[first].kind) if name != first])
    return Schedule(scenario, (Happening(first, look), Happening(second, later)))
