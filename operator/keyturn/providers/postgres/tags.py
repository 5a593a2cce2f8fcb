"""Our tag in a role's comment: whose role it is, which rotation touched it last, under which lease.

Every role can read comments, so it holds no fingerprint. What people wrote in the comment stays.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from keyturn.providers.turns import Mark, TurnTag

_TAG = re.compile(
    r"keyturn:v1 plan=(?P<plan>\S+) rotation=(?P<rotation>\S+) gen=(?P<generation>\d+) epoch=(?P<epoch>\d+)"
    r" state=(?P<state>active|disabled|retired)"
)
KNOWN = "keyturn:known"  # a person's word in a role's comment: this login is meant to reach the data
REVIEWED = "keyturn:reviewed"  # the same for a function, view or policy that looks at the login's name
CONTAINED = "keyturn:contained"  # ours, in the comment of a stranger that was cut off


@dataclass(frozen=True, slots=True)
class Tag(TurnTag):
    """One tag."""

    @classmethod
    def read(cls, comment: str | None) -> Tag | None:
        """The tag in a comment, if there is one."""
        found = _TAG.search(comment or "")
        if found is None:
            return None
        return cls(
            found["plan"], found["rotation"], int(found["generation"]), int(found["epoch"]), Mark(found["state"])
        )

    def __str__(self) -> str:
        return (
            f"keyturn:v1 plan={self.plan} rotation={self.rotation} gen={self.generation} epoch={self.epoch}"
            f" state={self.state.value}"
        )

    def within(self, comment: str | None) -> str:
        """The comment with this tag in place of a former one, or behind what people wrote."""
        text = comment or ""
        if _TAG.search(text):
            return _TAG.sub(str(self), text, count=1)
        return f"{text}\n{self}" if text else str(self)
