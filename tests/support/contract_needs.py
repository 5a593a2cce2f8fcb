"""What a backend cannot be asked, by what it says of itself: the contract's matrix shows it as skipped."""

from __future__ import annotations

import pytest

from keyturn.core.model import Existence
from keyturn.ports import Provider
from support.provider_rig import Rig


def needs_sessions(rig: Rig) -> None:
    """The matrix shows what a backend cannot be asked, and why."""
    if not rig.provider.capabilities.lists_sessions:
        pytest.skip("lists_sessions is False: this backend says that it knows of no sessions")


def needs_use(rig: Rig) -> None:
    if not rig.provider.capabilities.sees_use:
        pytest.skip("sees_use is False: this backend cannot say who uses a credential, and claims nothing")


async def comes_next(rig: Rig, current: str, former: str) -> bool:
    """Is the next id the former one again, or, where ids are never used twice, one that was not seen before?"""
    found = await rig.provider.next_id(current)
    if rig.provider.issuer is not None:
        return found == ""  # the backend names it
    return found == former if rig.provider.capabilities.reuses_ids else found not in {current, former, rig.current.id}


async def state(provider: Provider, id_: str) -> Existence:
    return next((p.state for p in await provider.inventory() if p.id == id_), Existence.ABSENT)
