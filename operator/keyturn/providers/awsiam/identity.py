"""Which account and which user is this? AWS says so itself: numbers and ids that it gives once and to nobody else.

rotator ── GetCallerIdentity ──► account    must be the declared one
        ── GetUser ────────────► user id    must be the one adopted: a user made anew under the old name is another
key     ── GetCallerIdentity ──► account, user id, ARN    in every declared region
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, cast

from keyturn.core.model import Sameness
from keyturn.ports import Credential, Denied, KeyturnError, Misconfigured
from keyturn.providers.awsiam.connections import Answer, Connector
from keyturn.providers.awsiam.failures import LoginFailed, Missing
from keyturn.providers.awsiam.keys import user_missing
from keyturn.providers.awsiam.settings import Settings

_KEY_ID: Final = re.compile(r"[A-Za-z0-9_]{16,128}")


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom STS takes somebody for, or what IAM says of a user."""

    account: str
    user_id: str
    arn: str


def caller(answer: Answer) -> Caller:
    """From an answer of GetCallerIdentity."""
    return Caller(str(answer["Account"]), str(answer["UserId"]), str(answer["Arn"]))


async def require(connector: Connector, settings: Settings) -> Caller:
    """The user behind the plan, in the declared account, and the one that was adopted. Raises Denied otherwise."""
    rotator = caller(await connector.sts("get_caller_identity"))
    if rotator.account != settings.account:
        raise Denied(
            "WrongSystem",
            "The rotator's access key belongs to another account than spec.awsIam.account says: correct one of them.",
        )
    try:
        told = cast("dict[str, Any]", (await connector.iam("get_user", UserName=settings.user))["User"])
    except Missing:
        raise user_missing(settings) from None
    arn = str(told["Arn"])
    user = Caller(arn.split(":")[4], str(told["UserId"]), arn)
    if user.account != settings.account or (settings.system and name_of(user) != settings.system):
        raise Denied(
            "WrongSystem",
            "The user is not the one this plan was adopted on: one made anew under the same name is another. Make a "
            "new plan for it.",
        )
    if rotator.user_id == user.user_id:
        raise Misconfigured(
            "RotatorAsUser",
            "spec.awsIam.user is the rotator itself, which cannot rotate its own key: use another user.",
        )
    return user


def name_of(user: Caller) -> str:
    """The system's own name."""
    return f"awsiam/{user.account}/{user.user_id}"


async def same_system(connector: Connector, settings: Settings, current: Credential) -> Sameness:
    """Does STS of every region take ``current`` for the user that the rotator works on? Never raises."""
    try:
        user = await require(connector, settings)
        seen = [caller(await connector.login(region, current)) for region in settings.regions]
    except Denied as error:
        return Sameness.DIFFERENT if error.reason == "WrongSystem" else Sameness.UNKNOWN
    except (LoginFailed, KeyturnError):
        return Sameness.UNKNOWN
    return Sameness.SAME if all(one == user for one in seen) else Sameness.DIFFERENT


async def account_of(connector: Connector, id_: str) -> str:
    """The account that a key id belongs to, whatever its state; "" if AWS does not say."""
    if not _KEY_ID.fullmatch(id_):
        return ""
    try:
        return str((await connector.sts("get_access_key_info", AccessKeyId=id_)).get("Account", ""))
    except Denied:
        return ""
