"""What both kinds of Cloudflare's tokens share: a record with a name and times, and which are a plan's. Pure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from keyturn.ports import Denied, Misconfigured, Pending, Unavailable
from keyturn.providers.cloudflare_names import Made, mark_of, read_name

Json = dict[str, Any]
COMES_TO_LIGHT: Final = timedelta(minutes=2)  # a create is bounded by seconds, and lists follow; at the latest then


@dataclass(frozen=True, slots=True)
class TokenRecord(ABC):
    """One token as the API tells it."""

    record: Json

    @property
    @abstractmethod
    def id(self) -> str:
        """Its public name among consumers."""

    @property
    def name(self) -> str:
        """Free text; ours says whose it is."""
        return str(self.record.get("name") or "")

    @property
    def made(self) -> Made:
        """Which plan made it, and how."""
        return read_name(self.name)

    def time(self, field: str) -> datetime | None:
        """One of its times."""
        told = self.record.get(field)
        try:
            return datetime.fromisoformat(str(told)) if told else None
        except ValueError:
            return None


T = TypeVar("T", bound=TokenRecord)


def made_by(plan: str, tokens: Sequence[T]) -> list[T]:
    """Those whose name says that this plan made them."""
    mark = mark_of(plan)
    return [token for token in tokens if token.made.plan == mark]


def require_room(plan: str, tokens: Sequence[TokenRecord], current_id: str) -> None:
    """Raises Misconfigured while the plan has another token besides the current one."""
    others = [token.id for token in made_by(plan, tokens) if token.id != current_id]
    if others:
        raise Misconfigured(
            "NoFreeSlot",
            f"The plan has made {', '.join(sorted(others))} besides the current token: see who uses it, then "
            "delete it.",
        )


def require_late_enough(pending: Pending, now: datetime) -> None:
    """Raises Unavailable while what an unanswered create made might not be listed yet."""
    if now < pending.since + COMES_TO_LIGHT:
        raise Unavailable("CreateUnanswered", "A token that was asked for may still come to light.")


def orphans(plan: str, tokens: Sequence[T], pending: Pending, used: Callable[[T], bool]) -> list[T]:
    """Tokens with this plan's name that were not there before: ours, and nobody knows their value. Denied if used."""
    found = [token for token in made_by(plan, tokens) if token.id not in pending.before]
    if in_use := [token.id for token in found if used(token)]:
        raise Denied(
            "OrphanInUse",
            f"{in_use[0]} carries this plan's name, and somebody uses it: see who does, then delete it by hand.",
        )
    return found


def gone(id_: str) -> Denied:
    """It cannot be enabled, nor made again."""
    return Denied("CredentialGone", f"{id_} is gone at Cloudflare, and what it issued cannot be made again.")
