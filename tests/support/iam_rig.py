"""What the provider contract needs of an AWS account: somebody signs a request; nobody ever holds a session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from typing import Any, cast

from botocore import exceptions
from botocore.config import Config
from botocore.session import Session

from keyturn.ports import Credential, Provider
from support.iam_plan import USER, Setting, credential

_SESSION = Session()


@contextmanager
def client(url: str, who: Credential, region: str = "eu-central-1") -> Iterator[Any]:
    """Somebody's own, with a secret of his."""
    made = cast("Any", _SESSION).create_client(
        "sts",
        region_name=region,
        endpoint_url=url,
        aws_access_key_id=who.id,
        aws_secret_access_key=who.value.reveal_text(),
        config=Config(retries={"total_max_attempts": 1}),
    )
    try:
        yield made
    finally:
        made.close()


def signs(url: str, who: Credential) -> bool:
    """Does STS take it?"""
    with client(url, who) as sts:
        try:
            sts.get_caller_identity()
        except exceptions.ClientError:
            return False
    return True


class AwsIamRig:
    """Our own server, which speaks the documented API."""

    free = ""
    version = "our own server of the documented API"

    def __init__(self, setting: Setting) -> None:
        self.setting, self.current = setting, setting.current
        self.provider: Provider = self.again()

    def now(self) -> datetime:
        return self.setting.clock.now()

    def wait(self, time: timedelta) -> None:
        self.setting.clock.wait(time)

    def again(self) -> Provider:
        return self.setting.open()

    async def admits(self, credential: Credential) -> bool:
        return await asyncio.to_thread(signs, self.setting.server.url, credential)

    @asynccontextmanager
    async def somebody(self, credential: Credential) -> AsyncGenerator[None]:
        assert await self.admits(credential)
        yield

    def unplug(self) -> None:
        self.setting.server.down = True

    def add_stranger(self) -> Credential:
        self._stranger = credential(self.setting.server.account.create(USER))
        return self._stranger

    def remove_stranger(self) -> None:
        self.setting.server.account.delete(USER, self._stranger.id)
