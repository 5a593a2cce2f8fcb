"""Our tag at a user: whose it is, which rotation touched it last, under which lease, and the limit it had before.

A user of RabbitMQ carries tags; those that the server does not know itself give no right. Ours are two:

    keyturn:v1:plan=shop/orders-queue
    keyturn:v1:rotation=…:gen=4:epoch=7:state=disabled:was=20

They are written in the same call as password hash and limit. The management API has no way to write only if nothing
changed since it was read, so a writer looks right before (see ``changes``): the tag refuses whoever comes later than
that, and cannot refuse one that was stopped between looking and writing and wakes within seconds.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from keyturn.providers.turns import Mark, TurnTag

_OURS: Final = "keyturn:v1:"
_PLAN: Final = re.compile(r"keyturn:v1:plan=(?P<plan>[^: ]+)")
_OP: Final = re.compile(
    r"keyturn:v1:rotation=(?P<rotation>[^: ]+):gen=(?P<generation>\d+):epoch=(?P<epoch>\d+)"
    r":state=(?P<state>active|disabled|retired|contained):was=(?P<was>\d*)"
)


@dataclass(frozen=True, slots=True)
class Tag(TurnTag):
    """Both of them."""

    was: int | None = None  # the limit of connections that it gets back; None: no limit

    @classmethod
    def read(cls, tags: Collection[str]) -> Tag | None:
        """Ours among a user's tags, if both are there."""
        plan = next(filter(None, map(_PLAN.fullmatch, tags)), None)
        op = next(filter(None, map(_OP.fullmatch, tags)), None)
        if plan is None or op is None:
            return None
        was = int(op["was"]) if op["was"] else None
        generation, epoch = int(op["generation"]), int(op["epoch"])
        return cls(plan["plan"], op["rotation"], generation, epoch, Mark(op["state"]), was)

    @property
    def told(self) -> tuple[str, str]:
        """As the server keeps them."""
        was = "" if self.was is None else str(self.was)
        return (
            f"{_OURS}plan={self.plan}",
            f"{_OURS}rotation={self.rotation}:gen={self.generation}:epoch={self.epoch}:state={self.state.value}:was={was}",
        )


def others(tags: Collection[str]) -> frozenset[str]:
    """A user's tags without ours."""
    return frozenset(tag for tag in tags if not tag.startswith(_OURS))
