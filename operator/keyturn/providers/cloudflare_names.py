"""Names that say whose a credential at Cloudflare is: the answer that made it may have been lost. Pure.

keyturn:v1:shop/orders-files:0b5c…/3             plan, rotation and generation
keyturn:v1:shop/orders-files:0b5c…/3:baseline    with the declared rights, not the old one's
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from keyturn.core.model import Op

_NAME: Final = re.compile(r"keyturn:v1:(?P<plan>[^: ]+):[^: /]*/\d+(?P<baseline>:baseline)?")
_LONGEST_PLAN: Final = 60  # of the 120 characters that a token's name may have


@dataclass(frozen=True, slots=True)
class Made:
    """What a name says."""

    plan: str = ""  # the mark of the plan that made it; "" if none did
    from_baseline: bool = False  # with the declared rights, whatever the old one has


def read_name(name: str) -> Made:
    """Whose it is."""
    found = _NAME.fullmatch(name)
    return Made(found["plan"], bool(found["baseline"])) if found else Made()


def mark_of(plan: str) -> str:
    """A plan's name, or where that is too long for a token's name, as much of it as fits and a digest."""
    if len(plan) <= _LONGEST_PLAN:
        return plan
    return f"{plan[: _LONGEST_PLAN - 17]}~{sha256(plan.encode()).hexdigest()[:16]}"


def name_for(plan: str, op: Op, *, baseline: bool) -> str:
    """Of what this operation makes."""
    return f"keyturn:v1:{mark_of(plan)}:{op.rotation_uid or '-'}/{op.generation}{':baseline' if baseline else ''}"
