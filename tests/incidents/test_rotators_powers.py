"""Whoever holds the rotator's own credential: what he can do with it is tried on every real server, and told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.incident_page import is_shown
from support.powers import DEEDS, Name, Thief, table

pytestmark = [pytest.mark.contract, pytest.mark.usefixtures("providers_closed")]


async def test_the_page_tells_what_each_rotators_credential_was_seen_to_do(
    thieves: dict[str, Callable[[], Thief]],
) -> None:
    measured: dict[Name, dict[str, bool]] = {}
    for ready in thieves.values():
        could = measured.setdefault(ready().name, {})
        for deed in DEEDS:  # each on a server made ready anew: one deed must not open the door for the next
            could[deed] = await getattr(ready(), deed)()
    for name, could in measured.items():
        assert could["reads_as_slot"], f"{name}: whoever rotates a credential can become it; docs/security.md says so"
        assert not could["reads_as_itself"], f"{name}: the rotator needs no right to the data"
    is_shown("code-spaces-2014.md", "what a rotator's credential can do", table(measured))
