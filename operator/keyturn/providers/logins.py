"""A login that did not come about, the same at every backend: of which kind, and what that says of the credential."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeVar

from keyturn.core.model import Trial

Kind = TypeVar("Kind", bound=StrEnum)


class FailedLogin(Exception, Generic[Kind]):
    """Carries the kind and nothing of the driver's. Each backend has its own kinds."""

    trials: ClassVar[Mapping[Any, Trial]] = {}  # by kind: those that say something of the credential

    def __init__(self, kind: Kind) -> None:
        super().__init__(kind.value)
        self.kind = kind

    @property
    def trial(self) -> Trial:
        """What that says about the credential."""
        return self.trials.get(self.kind, Trial.DOWN)
