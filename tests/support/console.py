"""A system with a console for people and an HTTPS door that tells whether a key works; and a person who reads and acts.

The person knows nothing but what Keyturn says: the sentence in a blocker, and the command that stands in it.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from keyturn.api.kinds import ClusterCredentialProviderSpec, PlanStatus, RotationPlanSpec
from keyturn.core.model import ObjectKey
from keyturn.core.sealed import Sealed
from keyturn.ports import PlanRecord, ProviderRecord, SecretRecord, Unavailable
from keyturn.providers.addresses import looked_up
from keyturn.providers.manual.asking import HttpAsker
from keyturn.providers.manual.provider import ManualProvider
from keyturn.providers.manual.settings import read_settings
from support.tls import Authority

HAND_OVER = ObjectKey("shop", "payments-key-next")
_ASKED = re.compile(r"(make a second credential|disable|enable|delete)(?: (\S+))?")
_SAYS = re.compile(r"kubectl annotate -n shop secret payments-key-next --overwrite (\S+)=(\S*)")


@dataclass
class Console:
    """Keys by id: their value, and whether they are open."""

    url: str
    ca_pem: str
    keys: dict[str, tuple[str, bool]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)  # the headers that came
    answers: int = 0  # this status instead, while it is not 0
    data: dict[str, Sealed] = field(default_factory=dict)  # of the hand-over Secret
    annotations: dict[str, str] = field(default_factory=dict)
    made: int = 0
    close_door: Callable[[], None] = lambda: None
    down: bool = False  # nobody answers, at the door and at the API server

    async def secret(self, key: ObjectKey) -> SecretRecord | None:
        """The hand-over Secret, as the API server would give it."""
        assert key == HAND_OVER
        if self.down:
            raise Unavailable("ApiServerDown", "the API server is down")
        if not self.data and not self.annotations:
            return None
        return SecretRecord(key, "uid-hand-over", "1", dict(self.data), {}, annotations=dict(self.annotations))

    async def door(self, request: web.Request) -> web.StreamResponse:
        """Does this token open it?"""
        self.asked.append(request.headers.get("Authorization", ""))
        opens = {f"Bearer {value}" for value, is_open in self.keys.values() if is_open}
        status = self.answers or (200 if self.asked[-1] in opens else 401)
        headers = {"Location": "https://elsewhere.example/"} if status == 302 else {}
        return web.Response(status=status, text="a sentence of the system's own", headers=headers)

    def unplug(self) -> None:
        """From now on nobody answers."""
        self.down = True
        self.close_door()

    def act(self, words: str) -> str:
        """What a person does who is told this; returns what was done."""
        found = _ASKED.search(words)
        assert found is not None, words
        deed, id_ = found.groups()
        match deed:
            case "make a second credential":
                self.made += 1
                id_, value = f"pk-{self.made}", f"value-that-the-console-made-{self.made}"
                self.keys[id_] = (value, True)
                self.data = {"username": Sealed(id_), "password": Sealed(f"{value}\n")}
            case "delete":
                del self.keys[id_]
            case _ if id_ in self.keys:  # else there is nothing to be done
                self.keys[id_] = (self.keys[id_][0], deed == "enable")
            case _:
                assert deed == "disable", words
        if said := _SAYS.search(words):
            self.annotations[said[1]] = said[2]
        return f"{deed} {id_}"


@dataclass(frozen=True)
class Setting:
    """One system as a plan sees it."""

    console: Console
    kind: str = "ClusterCredentialProvider"
    host: str = "localhost"
    current_id: str = ""
    busy: bool = False
    loopback: bool = True

    def records(self) -> tuple[ProviderRecord, PlanRecord, SecretRecord]:
        spec = ClusterCredentialProviderSpec.model_validate({
            "manual": {"system": "Payments, account 4711", "adminSecretRef": {"name": "payments-console"},
                       "check": {"url": self.console.url}, "disableDelay": "5s", "insecureLoopback": self.loopback},
            "namespaceSelector": {},
        })  # fmt: skip
        plan = RotationPlanSpec.model_validate({
            "providerRef": {"kind": self.kind, "name": "payments"}, "manual": {"handOver": HAND_OVER.name},
            "secret": {"name": "payments-key", "keys": {"ID": "{username}", "KEY": "{password}"}},
            "verify": {"require": ["Process"], "acceptBlindSoak": True}, "retire": {"acceptBlindWatch": True},
        })  # fmt: skip
        status = PlanStatus(current_id=self.current_id, active_rotation="orders-1" if self.busy else "")
        admin = {"host": Sealed(self.host), "ca.crt": Sealed(self.console.ca_pem)}
        return (
            ProviderRecord(self.kind, ObjectKey("", "payments"), "uid-provider", 1, spec),
            PlanRecord(ObjectKey("shop", "orders"), "uid-plan", 1, "1", plan, status),
            SecretRecord(ObjectKey("keyturn-system", "payments-console"), "uid-secret", "1", admin, {}),
        )

    def open(self) -> ManualProvider:
        settings = read_settings(*self.records())
        return ManualProvider(settings, self.console, HttpAsker(settings, looked_up))


@asynccontextmanager
async def console() -> AsyncIterator[Console]:
    """Open on a free loopback port, with a certificate of its own authority."""
    authority = Authority()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tempfile.TemporaryDirectory() as home:
        pair = [Path(home) / name for name in ("cert.pem", "key.pem")]
        for path, content in zip(pair, authority.issue("localhost", "127.0.0.1"), strict=True):
            path.write_bytes(content)
        context.load_cert_chain(*pair)
    made = Console("", authority.ca_pem.decode())
    app = web.Application()
    app.router.add_get("/v1/balance", made.door)
    runner = web.AppRunner(app)
    await runner.setup()
    assert runner.server is not None
    server = await asyncio.get_running_loop().create_server(runner.server, "127.0.0.1", 0, ssl=context)
    made.url = f"https://localhost:{server.sockets[0].getsockname()[1]}/v1/balance"
    made.close_door = server.close
    try:
        yield made
    finally:
        server.close()
        await runner.cleanup()
