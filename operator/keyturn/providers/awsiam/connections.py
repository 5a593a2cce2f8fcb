"""Calls IAM as the rotator, and STS as whoever holds a key: in threads, each call bounded, none repeated.

Nothing here knows what is asked through it.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from threading import Lock
from typing import Any, Final, cast

from botocore.config import Config
from botocore.parsers import ResponseParserError
from botocore.session import Session

from keyturn.ports import Credential
from keyturn.providers.awsiam.failures import THEIRS, Login, LoginFailed, login_failure, translated
from keyturn.providers.awsiam.settings import Settings

CONNECT_SECONDS: Final = 3.0
READ_SECONDS: Final = 6.0
CALL_SECONDS: Final = 10.0  # looking up the name included, whatever the service does; the lease reckons with it

_CONFIG: Final = Config(
    connect_timeout=CONNECT_SECONDS,
    read_timeout=READ_SECONDS,
    retries={"total_max_attempts": 1},  # a repeated CreateAccessKey makes another key; all else the next look repeats
    ignore_configured_endpoint_urls=True,  # a credential goes where the admin Secret says, whatever the environment
    max_pool_connections=2,
)
logging.getLogger("botocore").setLevel(logging.WARNING)  # below that it writes what AWS answers, new values included

_ANSWERS: Final = {
    "get_caller_identity": ("Account", "UserId", "Arn"),
    "get_user": ("User",),
    "list_access_keys": ("AccessKeyMetadata",),
    "create_access_key": ("AccessKey",),
}
Answer = Mapping[str, Any]


def _session() -> Session:
    """Knows services and partitions, and nothing of this machine's files."""
    session = cast("Any", Session())
    session.set_config_variable("config_file", os.devnull)
    session.set_config_variable("credentials_file", os.devnull)
    return cast("Session", session)


_SESSION: Final = _session()
_MAKING: Final = Lock()  # sessions may not be shared while they make clients; clients may


class Connector:
    """One plan's clients, each made when it is first needed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._own = Credential(settings.key_id, settings.secret)
        self._clients: list[tuple[str, str, Credential, Any]] = []

    async def iam(self, action: str, *, writing: bool = False, **words: str) -> Answer:
        """As the rotator. Failures come out as ours."""
        with translated(writing=writing):
            return await self._call("iam", self._settings.regions[0], self._own, action, words)

    async def sts(self, action: str, **words: str) -> Answer:
        """As the rotator, in the first region. Failures come out as ours."""
        with translated():
            return await self._call("sts", self._settings.regions[0], self._own, action, words)

    async def login(self, region: str, credential: Credential) -> Answer:
        """Who STS of this region takes this credential for. Raises LoginFailed."""
        try:
            return await self._call("sts", region, credential, "get_caller_identity", {})
        except THEIRS as error:
            raise login_failure(error) from None
        except ValueError:
            raise LoginFailed(Login.WRONG) from None  # not text, or not of one line: nothing can be signed with it

    async def close(self) -> None:
        """Give back connections."""
        with _MAKING:
            clients, self._clients = self._clients, []
        for *_, client in clients:
            client.close()

    async def _call(
        self, service: str, region: str, as_whom: Credential, action: str, words: Mapping[str, str]
    ) -> Answer:
        async with asyncio.timeout(CALL_SECONDS):
            return await asyncio.to_thread(self._ask, service, region, as_whom, action, words)

    def _ask(self, service: str, region: str, as_whom: Credential, action: str, words: Mapping[str, str]) -> Answer:
        ask = getattr(self._client(service, region, as_whom), action)
        try:
            answer = cast("Answer", ask(**words))
        except (LookupError, TypeError):  # an answer that is XML, and not AWS': the driver stumbles over it
            raise ResponseParserError(action) from None
        if not all(name in answer for name in _ANSWERS.get(action, ())):
            raise ResponseParserError(action)
        return answer

    def _client(self, service: str, region: str, as_whom: Credential) -> Any:
        with _MAKING:
            for *known, client in self._clients:
                if known == [service, region, as_whom]:
                    return client
            make = cast("Any", _SESSION).create_client
            client = make(
                service,
                region_name=region,
                endpoint_url=(self._settings.iam_url or None) if service == "iam" else self._settings.sts_url(region),
                aws_access_key_id=as_whom.id,
                aws_secret_access_key=as_whom.value.reveal_text(),
                config=_CONFIG,
            )
            self._clients.append((service, region, as_whom, client))
            return client
