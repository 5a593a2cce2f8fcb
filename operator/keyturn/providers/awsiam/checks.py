"""Preflight's own checklist for IAM: what would make a rotation unsafe here. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from keyturn.core.model import Problem
from keyturn.ports import Checklist, Credential
from keyturn.providers.awsiam.connections import Connector
from keyturn.providers.awsiam.identity import account_of
from keyturn.providers.awsiam.keys import Keys, last_use, list_keys
from keyturn.providers.awsiam.settings import Settings

RIGHTS_UNCHECKED = Problem(
    "RightsUnchecked",
    "AWS has no way to try CreateAccessKey, UpdateAccessKey and DeleteAccessKey without doing them: see that the "
    "rotator has the policy of docs/providers/aws-iam.md",
)


async def go_through(connector: Connector, settings: Settings, current: Credential | None) -> Checklist:
    """Everything that blocks, and what could not be asked. Raises Unavailable if AWS cannot be reached."""
    keys = await list_keys(connector, settings)
    problems = (
        [] if current is None else [*_current(current.id, keys, settings, await _account(connector, current, keys))]
    )
    for id_ in keys:
        await last_use(connector, id_)  # may the rotator ask? It raises Denied if not
    return Checklist(tuple(problems), (RIGHTS_UNCHECKED,))


async def _account(connector: Connector, current: Credential, keys: Keys) -> str:
    """Of a key that is not the user's."""
    return "" if current.id in keys else await account_of(connector, current.id)


def _current(id_: str, keys: Keys, settings: Settings, account: str) -> Iterator[Problem]:
    if id_ not in keys:
        where = f", but of account {account}" if account and account != settings.account else ""
        yield Problem(
            "KeyOfAnotherUser",
            f"the Secret's access key {id_} is none of user {settings.user} of account {settings.account}{where}; "
            "correct spec.awsIam or the Secret",
        )
    elif not keys[id_].active:
        yield Problem("KeyInactive", f"the Secret's access key {id_} is Inactive; set it Active")
