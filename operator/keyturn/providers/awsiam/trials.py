"""Tries a key as consumers would, at STS of every declared region, several times in a row. Leaves nothing behind.

IAM is eventually consistent both ways: a new key may be refused, and one that is off let in, here and there, for
seconds. So one answer is none, and one that IAM's own list contradicts is awaited:

                    all let in      all refused: unknown     all: wrong signature    now so and now so
    Active          WORKS           awaited                  REFUSED                 awaited
    Inactive        WORKS           DISABLED                 REFUSED                 awaited
    not listed      WORKS           REFUSED                  REFUSED                 awaited
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Final

from keyturn.core.model import Trial
from keyturn.ports import Awaited, Credential
from keyturn.providers.awsiam.connections import Connector
from keyturn.providers.awsiam.failures import Login, LoginFailed
from keyturn.providers.awsiam.identity import Caller, caller
from keyturn.providers.awsiam.keys import Key

IN_A_ROW: Final = 5

Answer = Caller | Login


async def answers(
    connector: Connector, regions: Sequence[str], credential: Credential, used: Callable[[], None]
) -> list[Answer]:
    """What STS says, region by region, each so many times in a row."""
    found = await asyncio.gather(*(_at(connector, region, credential, used) for region in regions))
    return [answer for region in found for answer in region]


async def _at(connector: Connector, region: str, credential: Credential, used: Callable[[], None]) -> list[Answer]:
    found: list[Answer] = []
    for _ in range(IN_A_ROW):
        used()
        try:
            found.append(caller(await connector.login(region, credential)))
        except LoginFailed as failed:
            found.append(failed.kind)
            if failed.kind in (Login.DOWN, Login.TLS):
                break
    return found


def judged(key: Key | None, user: Caller, found: Collection[Answer]) -> Trial:
    """See above. Rights are the user's: two keys of one user may do the same, always. Raises Awaited."""
    seen = set(found)
    if {Login.DOWN, Login.TLS} & seen:
        return Trial.DOWN
    if any(isinstance(one, Caller) and one != user for one in seen):
        return Trial.LACKING
    if seen == {user}:
        return Trial.WORKS
    if seen == {Login.WRONG}:
        return Trial.REFUSED
    if seen != {Login.UNKNOWN} or (key is not None and key.active):
        raise Awaited(
            "ChangeSpreading",
            "a change of this access key is on its way through AWS: not every server of STS knows it yet",
        )
    return Trial.REFUSED if key is None else Trial.DISABLED
