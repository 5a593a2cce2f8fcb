"""What an unanswered CreateAccessKey may have made: found, taken out of use, and after a while deleted.

    asked           first look                 asked + 5 min
    ──┬─────────────────┬──────────────────────────┬──────────►
      created?          Inactive: whoever uses      deleted, if still
                        it would tell               nobody used it

Keys carry no tags. Ours is what was not there before, was made since, and was never used, for nobody knows its value.
One that somebody uses was made by somebody else at the same time: it is given back, and a person must look.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from keyturn.ports import Denied, Pending, Unavailable
from keyturn.providers.awsiam.connections import Connector
from keyturn.providers.awsiam.keys import Key, last_use, list_keys, remove, switch
from keyturn.providers.awsiam.memory import Memory
from keyturn.providers.awsiam.settings import Settings

SKEW: Final = timedelta(minutes=1)  # between the operator's clock and AWS'


async def sweep(connector: Connector, settings: Settings, pending: Pending, memory: Memory, now: datetime) -> None:
    """Nothing is left of it. Raises Unavailable while it might still come to light, Denied if somebody uses it."""
    found, known_at = await _made_since(connector, settings, pending), pending.since + memory.pace.comes_to_light
    for key in found:
        await _require_unused(connector, settings, key)
        if key.active:
            await switch(connector, settings, key.id, active=False)
            memory.switched(key.id, now, active=False)
    if now < known_at:
        raise Unavailable(
            "CreateUnanswered",
            "AWS did not answer when it was asked for a new access key. What it may have made is Inactive, and is "
            f"deleted at {known_at:%H:%M:%S} UTC if nobody used it by then.",
        )
    for key in found:
        await remove(connector, settings, key.id)
        memory.forget(key.id)


async def _made_since(connector: Connector, settings: Settings, pending: Pending) -> list[Key]:
    known = {*pending.before, settings.current}  # a list may be too old to have named the one that serves
    keys = await list_keys(connector, settings)
    return [key for key in keys.values() if key.id not in known and key.created >= pending.since - SKEW]


async def _require_unused(connector: Connector, settings: Settings, key: Key) -> None:
    if (await last_use(connector, key.id)).at is None:
        return
    if not key.active:
        await switch(connector, settings, key.id, active=True)
    raise Denied(
        "CreatedBySomebodyElse",
        f"User {settings.user} was given the access key {key.id} just when Keyturn asked for one and got no answer, "
        "and somebody uses it. It is left alone: see whose it is, give that one a user of his own, and delete it.",
    )
