"""What the contract suite does to any backend, and what it may expect by what the backend says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from keyturn.core.model import Existence, Idle
from keyturn.ports import Credential, Provider
from support.postgres_plan import op
from support.provider_rig import Rig


async def comes_next(rig: Rig, current: str, former: str) -> bool:
    """Is the next id the former one again, or, where ids are never used twice, one that was not seen before?"""
    found = await rig.provider.next_id(current)
    if rig.provider.issuer is not None:
        return found == ""  # the backend names it
    return found == former if rig.provider.capabilities.reuses_ids else found not in {current, former, rig.current.id}


async def made(rig: Rig) -> Credential:
    """NEW, as Create leaves it."""
    return await created(rig, rig.current.id)


async def created(rig: Rig, like: str, rotation: str = "rotation-1") -> Credential:
    if rig.provider.issuer is not None:
        return await rig.provider.issuer.issue(op("Create", rotation=rotation), like)
    new = await planned(rig, like or rig.current.id)
    await rig.provider.ensure(op("Create", rotation=rotation), new, like)
    return new


async def planned(rig: Rig, current_id: str, strangers: Sequence[str] = ()) -> Credential:
    """NEW with the id and the value that we chose; where the backend does, it is there already."""
    if rig.provider.issuer is not None:
        return await rig.provider.issuer.issue(op("Create"), current_id, strangers)
    return Credential(await rig.provider.next_id(current_id), rig.provider.mint())


async def keeps_tags(rig: Rig) -> bool:
    return all(one.tag is not None for one in await rig.provider.inventory() if one.id == rig.current.id)


def lists_sessions(rig: Rig) -> bool:
    """Else every request stands for itself, and the backend only records when a credential was used last."""
    return rig.provider.capabilities.lists_sessions


def idle(rig: Rig) -> Idle:
    """Of what nobody uses: where nothing says who uses a credential, that it is not seen to be used proves nothing."""
    return Idle.NOT_SEEN if rig.provider.capabilities.sees_use else Idle.UNKNOWN


def gone(rig: Rig) -> Existence:
    """Of what was deleted: a name that may come back stays on record, and so does people's word that it is gone."""
    kept = rig.provider.issuer is None or rig.provider.capabilities.by_hand
    return Existence.RETIRED if kept else Existence.ABSENT


def until_uses_are_old(rig: Rig) -> None:
    """Where uses are recorded: so long that what was used before is not in use any more."""
    if not lists_sessions(rig) and rig.provider.capabilities.usage_lag:
        rig.wait(rig.provider.capabilities.usage_lag + timedelta(hours=1))


async def state(provider: Provider, id_: str) -> Existence:
    return next((p.state for p in await provider.inventory() if p.id == id_), Existence.ABSENT)
