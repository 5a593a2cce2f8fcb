"""Names that take turns, the same at every backend that has them: which is free, and what our tag at one says. Pure.

A tag is where a backend keeps who wrote there last; each has its own place and spelling for it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from keyturn.core.model import Existence, Op
from keyturn.ports import Misconfigured


class Mark(StrEnum):
    """What we did to a principal last."""

    ACTIVE = "active"
    DISABLED = "disabled"
    RETIRED = "retired"
    CONTAINED = "contained"  # a stranger that was cut off

    @property
    def existence(self) -> Existence:
        """In the words of the inventory."""
        return Existence.DISABLED if self is Mark.CONTAINED else Existence(self.value.capitalize())


@dataclass(frozen=True, slots=True)
class TurnTag:
    """What every tag says: whose the principal is, which rotation touched it last, and under which lease."""

    plan: str  # namespace/name
    rotation: str  # its uid; "-" where there is none
    generation: int
    epoch: int
    state: Mark

    @classmethod
    def of(cls, plan: str, op: Op, state: Mark) -> Self:
        """The tag an operation leaves."""
        return cls(plan, op.rotation_uid or "-", op.generation, op.epoch, state)

    @property
    def public(self) -> str:
        """``rotation uid/generation``."""
        return f"{self.rotation}/{self.generation}"

    def overtakes(self, other: TurnTag) -> bool:
        """Was this written by a later leader, or later in the same rotation: may the other not come any more?"""
        same = self.rotation == other.rotation
        return self.epoch > other.epoch or (same and self.generation > other.generation)


def require_declared(current_id: str, declared: Collection[str], *, called: str, backend: str) -> None:
    """Raises Misconfigured if the credential in use is not one of the plan's. ``called``: its kind."""
    if current_id not in declared:
        raise Misconfigured(
            "CurrentNotDeclared",
            f"The Secret holds the {called} {current_id!r}, which is neither spec.{backend}.owner nor one of "
            f"spec.{backend}.slots.",
        )


def first_free(against: Mapping[str, str]) -> str:
    """The first slot that nothing speaks against. Raises Misconfigured with the reason for each."""
    for slot, reason in against.items():
        if not reason:
            return slot
    raise Misconfigured("NoFreeSlot", f"No slot is free: {'; '.join(' '.join(one) for one in against.items())}.")
