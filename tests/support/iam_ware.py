"""An AWS account for a shop of the fault tests: our server of the documented API, with everything AWS is slow at quick.

Nothing of AWS stays open, so what an application holds is a key, and each use of it is a request that it signs.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar
from urllib.parse import SplitResult

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from support.backend_proxy import BackendProxy
from support.iam_account import ACCOUNT, AccessKey, Account
from support.iam_plan import ROTATOR, ROTATOR_MAY, USER
from support.iam_proxy import IamSpeech
from support.iam_server import IamServer
from support.quick_operator import PROGRAM, QUICK
from support.ware import Enabled, Failed, Stock

_REGION = "eu-central-1"
_TEMPLATE = "https://{username}:{password}@{host}:{port}/{database}"
_PLACE = {"host": f"sts.{_REGION}.amazonaws.com", "port": 443, "database": _REGION}
_ASKS = b"Action=GetCallerIdentity&Version=2011-06-15"
_PATIENCE = 10.0  # seconds that an application waits for its backend
_LAG = "2s"  # longer than it is: a look at a slow machine takes its time


class IamWare:
    """An account of its own. A user's keys are named by the server, and their values shown once."""

    field: ClassVar[str] = "awsIam"
    changes: ClassVar[re.Pattern[str]] = re.compile(r"(Create|Update|Delete)AccessKey")
    program: ClassVar[Sequence[str]] = PROGRAM

    def __init__(self, kill: Callable[[], None], network: int) -> None:
        self._account = Account(_now, step=QUICK.step, grain=QUICK.grain)
        self._account.add_user(ROTATOR, *ROTATOR_MAY)
        self._account.add_user(USER)
        self._rotator, self._first = self._old_key(ROTATOR), self._old_key(USER)
        self._server = IamServer(self._account)
        self._pods = f"127.{network}."
        self.proxy = BackendProxy({"": self._server.port}, IamSpeech, kill)

    def start(self, plan: str) -> None:
        _ = plan  # keys carry no tags
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    @property
    def port(self) -> int:
        return self._server.port

    def stock(self) -> Stock:
        url = f"http://127.0.0.1:{self.proxy.ports['']}"
        return Stock(
            provider={"account": ACCOUNT, "regions": [_REGION], "usageLag": _LAG, "insecure": True},
            plan={"user": USER},
            allow={"owners": [USER]},
            rotator={"accessKeyId": self._rotator.id, "secretAccessKey": self._rotator.secret,
                     "iam.url": url, "sts.url": url},
            template=_TEMPLATE,
            url=_TEMPLATE.format(username=self._first.id, password=self._first.secret, **_PLACE),
            retire={"acceptBlindWatch": True},
            verify={"require": ["Process"]},
        )  # fmt: skip

    def _old_key(self, user: str) -> AccessKey:
        key = self._account.create(user)
        key.created -= timedelta(days=30)
        return key

    async def log_in(self, host: str, port: int, login: SplitResult) -> _Holder:
        holder = _Holder(host, port, login)
        await holder.use()
        return holder

    @asynccontextmanager
    async def looking(self) -> AsyncGenerator[Enabled]:
        async def enabled() -> list[str]:
            with self._server.lock:
                return sorted(key.id for key in self._account.keys_of(USER) if key.active)

        yield enabled

    def refused(self) -> list[str]:
        """The operator's own requests come from 127.0.0.1."""
        return [f"{code} to {caller}" for caller, code in self._server.refused if caller.startswith(self._pods)]


@dataclass(frozen=True)
class _Holder:
    """An application with a key, at the address where it finds STS."""

    host: str
    port: int
    login: SplitResult

    async def use(self) -> None:
        """A request, signed. Raises Failed if it is not answered well."""
        try:
            async with asyncio.timeout(_PATIENCE):
                reader, writer = await asyncio.open_connection(self.host, self.port)
                try:
                    writer.write(self._signed())
                    status = (await reader.readuntil(b"\r\n")).split()[1]
                finally:
                    writer.close()
        except (OSError, EOFError, TimeoutError) as error:
            raise Failed(type(error).__name__) from None
        if status != b"200":
            raise Failed(status.decode())

    def _signed(self) -> bytes:
        keys = Credentials(self.login.username or "", self.login.password or "")
        request = AWSRequest("POST", f"http://{self.host}:{self.port}/", data=_ASKS)
        SigV4Auth(keys, "sts", self.login.path.strip("/")).add_auth(request)
        said = dict(request.headers) | {"Host": f"{self.host}:{self.port}", "Content-Length": str(len(_ASKS))}
        return "".join(["POST / HTTP/1.1\r\n", *(f"{n}: {v}\r\n" for n, v in said.items()), "\r\n"]).encode() + _ASKS

    async def close(self) -> None:
        """Nothing is open."""


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - the operator's clock is the real one
