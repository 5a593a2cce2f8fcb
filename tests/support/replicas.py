"""Two operators as processes on one API server and one PostgreSQL: stopped, killed, cut off, let go on by a test.

The consumer is a Deployment without pods: what is tried here is who may write, not what pods prove.
"""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from keyturn.kube.lease import LeaseTimes
from support.kubectl import Kubectl
from support.postgres_plan import CURRENT, OWNER, ROTATOR, ROTATOR_PASSWORD, SLOT_A, SLOT_B, make_ready
from support.postgres_server import PostgresServer
from support.wire import TripWire, Wire, wire_to_api

TIMES = LeaseTimes.of(6, 4, 0.5)
PLAN = "orders-db"
API_VERSION = "keyturn.dev/v1alpha1"


class Replica:
    """One operator process, with its own way to the API server."""

    def __init__(self, name: str, namespace: str, wire: Wire, kubeconfig: Path, folder: Path) -> None:
        self.name, self.wire = name, wire
        self._arguments = [
            *("--operator-namespace", namespace, "--namespace", namespace, "--kubeconfig", str(kubeconfig)),
            *("--health-port", "0", "--metrics-port", "0", "--lease-duration", f"{TIMES.duration:.0f}"),
            *("--lease-renew-deadline", str(TIMES.renew_deadline), "--lease-retry-period", str(TIMES.retry)),
        ]
        self._log = folder / f"{name}.log"
        self._process: Process | None = None
        self._frozen = False

    async def start(self) -> None:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "POD_NAME": self.name}
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", "from keyturn.main import main; main()", "operator", *self._arguments,
                env=environment, stdout=log, stderr=log,
            )  # fmt: skip

    @property
    def lives(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def freeze(self) -> None:
        """SIGSTOP: it stands still in the middle of whatever it did."""
        self._frozen = True
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT: it goes on as if nothing had happened."""
        self._frozen = False
        self._send(signal.SIGCONT)

    async def kill(self) -> None:
        """SIGKILL."""
        self._send(signal.SIGKILL)
        await self.ended()

    async def stop(self) -> None:
        """SIGTERM, as the kubelet does it."""
        if self._frozen:
            self.thaw()
        self._send(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.ended(), 15)
        except TimeoutError:
            await self.kill()

    async def ended(self) -> None:
        if self._process is not None:
            await self._process.wait()

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def _send(self, what: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            os.kill(self._process.pid, what)


class Shop:
    """A plan that rotates in seconds, two replicas, and whoever logs in all the time."""

    def __init__(self, kubectl: Kubectl, server: PostgresServer, backend: TripWire, replicas: list[Replica]) -> None:
        self.kubectl, self.server, self.backend = kubectl, server, backend
        self.first, self.second = replicas
        self.failed: list[str] = []  # logins with what the Secret holds
        self.logins = 0
        self.enabled_at_once: set[int] = set()

    def leader(self) -> str:
        """The name of the replica that holds the lease, "" if nobody does."""
        held = self.kubectl.get("lease", "keyturn-operator")["spec"].get("holderIdentity", "")
        return held.rpartition("_")[0]

    def the_leader(self) -> Replica:
        return next(one for one in (self.first, self.second) if one.name == self.leader())

    def the_other(self) -> Replica:
        return next(one for one in (self.first, self.second) if one.name != self.leader())

    def force_the_lease(self) -> None:
        """As if it had been given back: whoever asks next leads, while the leader still believes that it does."""
        self.kubectl("patch", "lease", "keyturn-operator", "--type=merge", "-p", '{"spec":{"holderIdentity":""}}')

    def epoch(self) -> int:
        return self.kubectl.get("lease", "keyturn-operator")["spec"]["leaseTransitions"]

    def plan(self) -> dict[str, Any]:
        return self.kubectl.get("rotationplan", PLAN)

    def rotate(self, name: str) -> None:
        self.kubectl.apply(_ours("Rotation", name, {"planRef": {"name": PLAN}}))

    def abort(self, name: str) -> None:
        self.kubectl("patch", "rotation", name, "--type=merge", "-p", '{"spec":{"abort":true}}')

    def status(self, name: str) -> dict[str, Any]:
        return self.kubectl.get("rotation", name).get("status", {})

    def version(self, name: str) -> str:
        return self.kubectl.get("rotation", name)["metadata"]["resourceVersion"]

    def phase(self, name: str) -> str:
        return self.status(name).get("phase", "")

    async def until_ended(self, name: str, phase: str, seconds: float = 120) -> None:
        def ended() -> bool:
            found = self.phase(name)
            assert found in ("", phase) or found not in {"Complete", "RolledBack", "Refused"}, self.told(name)
            return found == phase

        await until(f"{name} is {phase}", ended, seconds, lambda: self.told(name))

    def told(self, name: str) -> str:
        """Everything there is to say when something went wrong."""
        logs = [f"---- {one.name}\n{one.log()[-6000:]}" for one in (self.first, self.second)]
        return "\n".join([str(self.status(name)), *logs])

    def enabled(self) -> list[str]:
        query = "SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname LIKE 'orders%' ORDER BY 1"
        return [name for (name,) in self.server.sql(query)]

    def url(self) -> str:
        return base64.b64decode(self.kubectl.get("secret", "orders-db")["data"]["url"]).decode()

    async def watch_over(self) -> None:
        """For ever: log in with what the Secret holds, and count the roles that can."""
        while True:
            self.enabled_at_once.add(len(await asyncio.to_thread(self.enabled)))
            url = await asyncio.to_thread(self.url)
            trouble = await asyncio.to_thread(self._login, url)
            if trouble and url == await asyncio.to_thread(self.url):
                self.failed.append(f"{urlsplit(url).username}: {trouble}")
            self.logins += 1
            await asyncio.sleep(0.1)

    def _login(self, url: str) -> str:
        parts = urlsplit(url)
        try:
            psycopg.connect(
                host="127.0.0.1", port=self.server.port, user=parts.username, password=parts.password, dbname="shop",
                sslmode="disable", connect_timeout=5,
            ).close()  # fmt: skip
        except psycopg.OperationalError as error:
            return str(error).splitlines()[0]
        return ""

    async def all_is_well(self, current: str) -> None:
        """What must hold at every end, and a while after it: logins go on."""
        logins = self.logins
        await until("somebody logs in again and again", lambda: self.logins > max(10, logins + 2), 60)
        enabled, holds = self.enabled(), urlsplit(self.url()).username
        assert (enabled, holds) == ([current], current), (enabled, holds)
        assert not self.failed, self.failed
        assert self.enabled_at_once <= {1, 2}, self.enabled_at_once
        assert self.plan()["status"]["currentId"] == current, self.plan()["status"]


async def until(what: str, holds: Callable[[], bool], seconds: float, told: Callable[[], str] = lambda: "") -> None:
    try:
        async with asyncio.timeout(seconds):
            while not await asyncio.to_thread(holds):  # noqa: ASYNC110 - the API server is asked, no task of ours
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"not within {seconds:.0f} s: {what}\n{told()}") from None


@asynccontextmanager
async def two_replicas(
    kubectl: Kubectl, server: PostgresServer, folder: Path, *, soak: str = "1s"
) -> AsyncIterator[Shop]:
    """The plan is adopted and the first replica leads when this is entered."""
    async with AsyncExitStack() as stack:
        server.hba("host all all 127.0.0.0/8 scram-sha-256")
        make_ready(server, "Functions", plan=f"{kubectl.namespace}/{PLAN}")
        backend = TripWire("127.0.0.1", server.port)
        await stack.enter_async_context(backend.open())
        for manifest in _furniture(backend.port, soak):
            kubectl.apply(manifest)
        replicas = list[Replica]()
        for name in ("first", "second"):
            wire, kubeconfig = await stack.enter_async_context(wire_to_api(kubectl, folder))
            replicas.append(Replica(name, kubectl.namespace, wire, kubeconfig, folder))
            stack.push_async_callback(replicas[-1].stop)
        shop = Shop(kubectl, server, backend, replicas)
        stack.push_async_callback(_let_go, kubectl)
        await shop.first.start()
        await until("the plan is adopted", lambda: bool(shop.plan().get("status", {}).get("adoptedAt")), 60,
                    shop.first.log)  # fmt: skip
        await shop.second.start()
        await until("the second stands by", lambda: "operator starts" in shop.second.log(), 60, shop.second.log)
        watching = asyncio.ensure_future(shop.watch_over())
        try:
            yield shop
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


async def _let_go(kubectl: Kubectl) -> None:
    """Nobody is left who would take the finalizers off."""
    with suppress(AssertionError):
        kubectl("patch", "rotationplan", PLAN, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')


def _furniture(port: int, soak: str) -> list[dict[str, Any]]:
    url = f"postgresql://{CURRENT.id}:{CURRENT.value.reveal_text()}@127.0.0.1:{port}/shop"
    rotator = {"user": ROTATOR, "password": ROTATOR_PASSWORD, "host": "127.0.0.1", "port": str(port)}
    endpoint = {"name": "primary", "host": "127.0.0.1", "port": port}
    variable = {"name": "URL", "valueFrom": {"secretKeyRef": {"name": "orders-db", "key": "url"}}}
    container = {"name": "app", "image": "none", "env": [variable]}
    template = {
        "metadata": {"labels": {"app": "orders-api", "keyturn.dev/inject": "true"}},
        "spec": {"containers": [container]},
    }
    return [
        _object("v1", "Secret", "postgres-rotator", stringData=rotator),
        _object("v1", "Secret", "orders-db", stringData={"url": url}),
        _object("apps/v1", "Deployment", "orders-api",
                spec={"replicas": 0, "selector": {"matchLabels": {"app": "orders-api"}}, "template": template}),
        _ours("CredentialProvider", "shop-postgres", {
            "postgres": {"adminSecretRef": {"name": "postgres-rotator"}, "endpoints": [endpoint], "database": "shop",
                         "insecure": True},
            "allow": {"owners": [OWNER], "slots": ["orders_*"]},
        }),
        _ours("RotationPlan", PLAN, {
            "providerRef": {"name": "shop-postgres"},
            "postgres": {"owner": OWNER, "slots": [SLOT_A, SLOT_B]},
            "secret": {"name": "orders-db", "keys": {"url": "postgresql://{username}:{password}@{host}:{port}/{database}"}},
            "verify": {"soak": soak},
            "retire": {"watch": "1s", "acceptBlindWatch": True},
        }),
    ]  # fmt: skip


def _ours(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return _object(API_VERSION, kind, name, spec=spec)


def _object(version: str, kind: str, name: str, **rest: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **rest}
