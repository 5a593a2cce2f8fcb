"""Random schedules: several faults, crashes and a stopped leader, all of them said by one number."""

from __future__ import annotations

import random

from support.catalogue import FAULTS, STALL
from support.points import points_of
from support.scenarios import SCENARIOS
from support.schedules import BEFORE, Happening, Schedule
from support.switchboard import Strike


def by_seed(seed: int) -> Schedule:
    """Always the same one for a number."""
    dice = random.Random(seed)
    scenario = dice.choice(("rotation", "rotation", *SCENARIOS))
    points = points_of(scenario)
    found = [_fault(dice, points.looks, points.writes) for _ in range(dice.choice((1, 2, 2, 3, 4)))]
    found += [
        Happening(dice.choice(list(Strike)), dice.choice(points.writes)) for _ in range(dice.choice((0, 0, 1, 2)))
    ]
    if dice.random() < 0.1:
        found.append(Happening(STALL.name, BEFORE + dice.choice(points.writes)))
    by_name = {(h.name if h.name in FAULTS else f"{h.name}@{h.when}"): h for h in found}
    return Schedule(scenario, tuple(by_name.values()))


def _fault(dice: random.Random, looks: tuple[str, ...], writes: tuple[str, ...]) -> Happening:
    when = dice.choice(looks) if dice.random() < 0.7 else BEFORE + dice.choice(writes)
    return Happening(dice.choice(sorted(FAULTS)), when)
