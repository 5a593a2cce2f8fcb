"""A program that holds its credential in one of two ways: in its environment, or in a file read each time."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .life import Life
from .witness import Witness

HOLD = 1.2  # seconds a connection is kept, long enough for somebody who looks to see it


@dataclass(frozen=True, slots=True)
class TwoWays:
    """What a backend's client does. Both kinds of work are handed a URL; `log_in` is the witness'."""

    name: str  # `basket` is `basket-web` with a variable, `basket-worker` with a file
    key: str  # of the Secret: the variable's name, and the file's in /etc/NAME
    broken: tuple[type[Exception], ...]  # a round of work may end so
    pooled: Callable[[str], Callable[[], None]]  # makes a round of work that keeps a connection of this URL's
    once: Callable[[str], None]  # a round of work with a connection of its own
    log_in: Callable[[str, str], str]

    def run(self) -> None:
        """Until the pod is told to end."""
        fixed = os.environ.get(self.key)
        name = f"{self.name}-{'web' if fixed else 'worker'}"
        file = Path("/etc", self.name, self.key)

        def credential() -> str:
            return fixed or file.read_text().strip()

        work = self.pooled(fixed) if fixed else lambda: self.once(credential())
        witness = Witness(name, credential, log_in=self.log_in)
        Life(name, broken=self.broken).run(work, None, every=0.2, witness=witness)
