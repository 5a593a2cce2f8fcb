"""A plan, a provider and an admin Secret for an AWS account, and the account made ready for them as docs tell to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from keyturn.api.kinds import CredentialProviderSpec, PlanStatus, RotationPlanSpec
from keyturn.core.model import ObjectKey
from keyturn.core.sealed import Sealed
from keyturn.ports import Credential, PlanRecord, ProviderRecord, SecretRecord
from keyturn.providers.awsiam.memory import Memory
from keyturn.providers.awsiam.provider import AwsIamProvider
from keyturn.providers.awsiam.settings import read_settings
from support.iam_account import ACCOUNT, AccessKey, Account
from support.iam_server import IamServer
from support.postgres_plan import OPENED

USER, ROTATOR = "orders-app", "keyturn-rotator"
REGIONS = ("eu-central-1", "us-east-1")
ROTATOR_MAY = (
    "GetUser", "ListAccessKeys", "GetAccessKeyLastUsed", "CreateAccessKey", "UpdateAccessKey", "DeleteAccessKey"
)  # fmt: skip
KEYS = {"AWS_ACCESS_KEY_ID": "{username}", "AWS_SECRET_ACCESS_KEY": "{password}", "AWS_REGION": "{database}"}


class HandClock:
    """Moved by hand, for the operator and the account alike."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 21, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def wait(self, time: timedelta) -> None:
        self.time += time


def credential(key: AccessKey) -> Credential:
    return Credential(key.id, Sealed(key.secret))


@dataclass(frozen=True)
class Setting:
    """One account as a plan sees it. Change a field with ``but`` for bad input."""

    clock: HandClock
    server: IamServer
    rotator: AccessKey
    first: AccessKey  # that the Secret holds
    user: str = USER
    account: str = ACCOUNT
    regions: tuple[str, ...] = REGIONS
    owners: tuple[str, ...] = (USER,)
    lag: str = "4h"
    insecure: bool = True
    admin: tuple[tuple[str, str], ...] = ()  # keys of the admin Secret to override; "" takes one away
    system: str = ""
    adopted: str | None = None  # None: what the Secret holds
    memory: Memory = field(default_factory=Memory)

    @property
    def current(self) -> Credential:
        return credential(self.first)

    def records(self) -> tuple[ProviderRecord, PlanRecord, SecretRecord]:
        spec = CredentialProviderSpec.model_validate({
            "awsIam": {"adminSecretRef": {"name": "aws-rotator"}, "account": self.account, "insecure": self.insecure,
                       "regions": list(self.regions), "usageLag": self.lag},
            "allow": {"owners": list(self.owners)},
        })  # fmt: skip
        plan = RotationPlanSpec.model_validate({
            "providerRef": {"name": "shop-aws"}, "awsIam": {"user": self.user},
            "secret": {"name": "orders-aws", "keys": KEYS}, "verify": {"require": ["Process"]},
            "retire": {"acceptBlindWatch": True},
        })  # fmt: skip
        data = {"accessKeyId": self.rotator.id, "secretAccessKey": self.rotator.secret, "iam.url": self.server.url,
                "sts.url": self.server.url + "/{region}"} | dict(self.admin)  # fmt: skip
        secret = {name: Sealed(value) for name, value in data.items() if value}
        adopted = self.first.id if self.adopted is None else self.adopted
        status = PlanStatus(system_id=self.system, current_id=adopted)
        return (
            ProviderRecord("CredentialProvider", ObjectKey("shop", "shop-aws"), "uid-provider", 1, spec),
            PlanRecord(ObjectKey("shop", "orders-aws"), "uid-plan", 1, "1", plan, status),
            SecretRecord(ObjectKey("shop", "aws-rotator"), "uid-secret", "1", secret, {}),
        )

    def open(self, memory: Memory | None = None) -> AwsIamProvider:
        provider = AwsIamProvider(read_settings(*self.records()), memory or self.memory, self.clock)
        OPENED.append(provider)
        return provider

    def but(self, **changes: Any) -> Setting:
        return replace(self, **changes)


def new_account(clock: HandClock) -> Account:
    """With the rotator and the user, and no key yet."""
    account = Account(clock.now)
    account.add_user(ROTATOR, *ROTATOR_MAY)
    account.add_user(USER)
    return account


def make_ready(server: IamServer) -> Setting:
    """A fresh account behind the server, in which the user has one key."""
    clock = HandClock()
    account = new_account(clock)
    server.reset(account)
    clock.wait(-timedelta(days=30))
    rotator, first = account.create(ROTATOR), account.create(USER)
    clock.wait(timedelta(days=30))
    return Setting(clock, server, rotator, first)
