"""``keyturn operator`` for an AWS account that is quick: its quarter of an hour is two seconds. All else is as it is.

A program of its own; plans of AWS are opened by this very module.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timedelta
from typing import Final

from keyturn.main import main
from keyturn.ports import Clock
from keyturn.providers import discover, offer, withdraw
from keyturn.providers.awsiam import OPENER, provider
from keyturn.providers.awsiam.pace import Pace
from keyturn.providers.opening import Open

QUICK: Final = Pace(
    step=timedelta(seconds=2),
    grain=timedelta(seconds=1),
    spreads=timedelta(milliseconds=500),
    comes_to_light=timedelta(seconds=4),
)
PROGRAM: Final = (sys.executable, __file__)


def opened_by(clock: Clock) -> Open:
    """As the real one opens them, at that pace."""
    return provider.opened_by(clock, QUICK)


def backends() -> None:
    """All of them, AWS through here."""
    discover()
    withdraw(OPENER)
    offer(replace(OPENER, module=__name__))


if __name__ == "__main__":
    main(backends)
