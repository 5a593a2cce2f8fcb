"""The Mermaid diagram of a rotation, drawn from the two tables, so that picture and code cannot disagree.

It sees phases and the ways between them; it does not see why a gate answers as it does. Mermaid draws no arrow between
the inside of a group and the outside, so arrows begin and end at the group.
"""

from __future__ import annotations

from itertools import pairwise

from keyturn.core.model import Phase
from keyturn.core.rotation import AFTER, BACKWARD, CHANGED, FORWARD, OLD_IS_OFF, Step

BEGIN = "<!-- generated: states -->"
END = "<!-- end -->"


def diagram() -> str:
    """The block between the markers."""
    reversible = [step for step in FORWARD if step.phase in CHANGED]
    first, last = FORWARD[0].phase, FORWARD[-1].phase
    lines = [
        "```mermaid",
        "stateDiagram-v2",
        "  direction LR",
        f"  [*] --> {first}",
        f"  {first} --> reversible: nothing blocks",
        f"  {first} --> {Phase.REFUSED}: never runs",
        f"  {first} --> {Phase.ROLLED_BACK}: abort",
        '  state "can go back, and does so by itself" as reversible {',
        f"    [*] --> {reversible[0].phase}",
        *(f"    {line}" for line in _chain(reversible)),
        *(f"    {phase} --> {Phase.VERIFY}: old one used, once" for phase in sorted(OLD_IS_OFF)),
        f"    {reversible[-1].phase} --> [*]",
        "  }",
        f"  reversible --> {last}: quiet to the end",
        f"  {last} --> {AFTER[last]}",
        f"  reversible --> {BACKWARD[0].phase}: a gate fails, or abort",
        *(f"  {line}" for line in _chain(BACKWARD)),
        f"  {BACKWARD[-1].phase} --> {AFTER[BACKWARD[-1].phase]}",
        *(f"  {phase} --> [*]" for phase in (AFTER[last], AFTER[BACKWARD[-1].phase], Phase.REFUSED)),
        "```",
        "",
        f"Asked again in every later phase: what {_listed(FORWARD)} reached,",
        f"and on the way back what {_listed(BACKWARD)} reached.",
    ]
    return "\n".join(lines)


def _listed(steps: tuple[Step, ...]) -> str:
    return ", ".join(step.phase for step in steps if step.keep)


def _chain(steps: tuple[Step, ...] | list[Step]) -> list[str]:
    return [f"{before.phase} --> {after.phase}" for before, after in pairwise(steps)]


def with_diagram(document: str) -> str:
    """The document with a fresh diagram between its markers; unchanged when it has none."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        return document
    return f"{before}{BEGIN}\n{diagram()}\n{END}{after}"
