"""A user's access keys as IAM lists them, and what it keeps of their use.

Always with the user's name: without it, IAM takes the caller's own.
Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListAccessKeys.html
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from keyturn.core.model import Existence
from keyturn.ports import Misconfigured
from keyturn.providers.awsiam.connections import Connector
from keyturn.providers.awsiam.failures import Missing
from keyturn.providers.awsiam.settings import Settings

ROOM: Final = 2
"""Keys a user may have, those that are off included; this quota cannot be raised.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""


@dataclass(frozen=True, slots=True)
class Key:
    """One access key."""

    id: str
    active: bool
    created: datetime

    @property
    def existence(self) -> Existence:
        """In the words of the inventory."""
        return Existence.ACTIVE if self.active else Existence.DISABLED

    @property
    def told(self) -> str:
        """For people."""
        return f"{self.id} ({'Active' if self.active else 'Inactive'}, of {self.created:%Y-%m-%d})"


Keys = dict[str, Key]


@dataclass(frozen=True, slots=True)
class LastUse:
    """What IAM keeps of a key's use: of several within 15 minutes only the first."""

    at: datetime | None = None  # None: never, as far as is known yet
    service: str = ""
    region: str = ""


async def list_keys(connector: Connector, settings: Settings) -> Keys:
    """Every key of the user, by id. Raises Misconfigured if there is no such user."""
    try:
        answer = await connector.iam("list_access_keys", UserName=settings.user)
    except Missing:
        raise user_missing(settings) from None
    return {key.id: key for key in map(_key, cast("list[dict[str, Any]]", answer["AccessKeyMetadata"]))}


async def last_use(connector: Connector, id_: str) -> LastUse:
    """Of one key that was listed. A key that is gone by now was never used."""
    try:
        answer = await connector.iam("get_access_key_last_used", AccessKeyId=id_)
    except Missing:
        return LastUse()
    told = cast("dict[str, Any]", answer.get("AccessKeyLastUsed", {}))
    return LastUse(told.get("LastUsedDate"), str(told.get("ServiceName", "")), str(told.get("Region", "")))


async def switch(connector: Connector, settings: Settings, id_: str, *, active: bool) -> None:
    """On or off; a key that is gone stays gone."""
    status = "Active" if active else "Inactive"
    try:
        await connector.iam("update_access_key", writing=True, UserName=settings.user, AccessKeyId=id_, Status=status)
    except Missing:
        return


async def remove(connector: Connector, settings: Settings, id_: str) -> None:
    """For good; a key that is gone stays gone."""
    try:
        await connector.iam("delete_access_key", writing=True, UserName=settings.user, AccessKeyId=id_)
    except Missing:
        return


def user_missing(settings: Settings) -> Misconfigured:
    """IAM does not know the user."""
    return Misconfigured(
        "UserMissing",
        f"Account {settings.account} has no IAM user {settings.user}: make it, or correct spec.awsIam.user.",
    )


def _key(told: dict[str, Any]) -> Key:
    return Key(str(told["AccessKeyId"]), told["Status"] == "Active", told["CreateDate"])
