"""Who is measured: two scripts that people use, and Keyturn. Each rotates once when asked.

Measures nothing itself but the phases that a Rotation's own record names.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from keyturn_dev.bench.field import FIRST_ROLE, KEYTURNED, PLACE, SCRIPT_OWNER, SCRIPTED, Crew
from keyturn_dev.cluster.shell import Trouble, pause, run
from keyturn_dev.demo.play import ask_for_rotation, ended, phase_of
from keyturn_dev.demo.stage import SHOP, Stage

SCRIPT = Path(__file__).parent / "rotate.sh"
MOST = 300.0  # seconds that any rotation may take
LOOK = 0.1  # seconds between two looks at a Rotation


@dataclass(frozen=True, slots=True)
class Told:
    """What a contender tells about one rotation. `phases`: seconds in each, in order; none for a script."""

    roles: frozenset[str]
    phases: Mapping[str, float] = field(default_factory=dict[str, float])
    entered: int = 0


class Contender(Protocol):
    """One way to rotate."""

    @property
    def name(self) -> str:
        """What it is called on the screen."""
        ...

    @property
    def crew(self) -> Crew:
        """Whose credential it rotates."""
        ...

    def rotate(self, stage: Stage, look: Callable[[], None]) -> Told:
        """Rotate once, to the end; call `look` now and then where that costs nothing. Raises Trouble if it fails."""
        ...


@dataclass(slots=True)
class Roles:
    """The roles that the scripts have made; both scripts go on from the same one."""

    newest: int = 0

    def next(self) -> tuple[str, str]:
        """The role in use, and the one that follows it."""
        old = FIRST_ROLE if self.newest == 0 else f"script_{self.newest}"
        self.newest += 1
        return old, f"script_{self.newest}"


@dataclass(slots=True)
class Script:
    """rotate.sh: `naive`, or `careful`."""

    name: str
    roles: Roles
    crew: Crew = SCRIPTED

    def rotate(self, stage: Stage, look: Callable[[], None]) -> Told:
        """See Contender.rotate."""
        old, new = self.roles.next()
        words = [self.name, SHOP, self.crew.selector, self.crew.secret, old, new, SCRIPT_OWNER, PLACE]
        look()
        run([SCRIPT, *words], env=stage.kubectl.cluster.environment(), timeout=MOST)
        return Told(frozenset({old, new}))


@dataclass(slots=True)
class Keyturn:
    """A Rotation of the plan, from the moment it is applied until its record says Complete."""

    name: str = "keyturn"
    crew: Crew = KEYTURNED
    _asked: int = 0

    def rotate(self, stage: Stage, look: Callable[[], None]) -> Told:
        """See Contender.rotate."""
        self._asked += 1
        rotation = f"orders-db-bench-{self._asked}"
        ask_for_rotation(stage.kubectl, stage.part.plan, rotation)
        status = _followed(stage, rotation, look)["status"]
        return Told(frozenset({status["oldId"], status["newId"]}), seconds_by_phase(status), len(status["history"]))


def _followed(stage: Stage, name: str, look: Callable[[], None]) -> dict[str, Any]:
    events, rotation = list[dict[str, Any]](), dict[str, Any]()
    deadline = time.monotonic() + MOST
    with stage.kubectl.following("rotations.keyturn.dev", name, "-n", SHOP, into=events):
        while not ended(rotation):
            if time.monotonic() > deadline:
                raise Trouble(f"{name} did not end within {MOST:.0f} s: {_words(rotation)}")
            look()
            pause(LOOK)
            rotation = events[-1]["object"] if events else rotation
    if phase_of(rotation) != "Complete":
        raise Trouble(f"{name} ended as {_words(rotation)}", "There is nothing to compare. Look at it: --keep.")
    return rotation


def _words(rotation: Mapping[str, Any]) -> str:
    status = rotation.get("status", {})
    blockers = "; ".join(blocker["message"] for blocker in status.get("blockers", [])[:3])
    turned = status.get("turnedBack", {}).get("message", "")
    return f"{status.get('phase', 'nothing yet')} {turned} {blockers}".rstrip()


def seconds_by_phase(status: Mapping[str, Any]) -> dict[str, float]:
    """How long each phase lasted, by the Rotation's own record; the last one, which is the end, is left out."""
    entries = [(entry["phase"], datetime.fromisoformat(entry["at"])) for entry in status["history"]]
    spent = dict[str, float]()
    for (phase, begun), (_, over) in pairwise(entries):
        spent[phase] = spent.get(phase, 0.0) + (over - begun) / timedelta(seconds=1)
    return spent
