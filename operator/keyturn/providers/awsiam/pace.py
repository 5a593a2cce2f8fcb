"""How slow IAM is: what it documents, and what others measured where it documents nothing. Nobody can hurry it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final


@dataclass(frozen=True, slots=True)
class Pace:
    """Of one account; every account of AWS has ``AWS``."""

    step: timedelta
    """Of several uses of a key within it only the first is recorded."""

    grain: timedelta
    """Uses are shown to the whole of it; and its clock differs from ours by no more."""

    spreads: timedelta
    """Until a change of a key is everywhere, at the latest."""

    comes_to_light: timedelta
    """Until a key that was made shows in the list, and a use of it in its record, at the latest."""


AWS: Final = Pace(
    step=timedelta(minutes=15),
    grain=timedelta(minutes=1),
    spreads=timedelta(minutes=1),
    comes_to_light=timedelta(minutes=5),
)
"""The step is documented: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html

No bound is ("not always immediately visible"); 3 to 4 seconds until a change is everywhere were measured by others.
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
"""
