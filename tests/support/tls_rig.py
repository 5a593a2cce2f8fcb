"""A plan of certificates: verifiers in memory, and servers on loopback that really present them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, cast

from cryptography.hazmat.primitives import serialization

from keyturn.api.kinds import CredentialProviderSpec, PlanStatus, RotationPlanSpec
from keyturn.core.model import ConsumerRef, ObjectKey, Op
from keyturn.core.sealed import Sealed
from keyturn.ports import (
    Cluster,
    Credential,
    PlanRecord,
    PodRecord,
    Probes,
    Provider,
    ProviderRecord,
    SecretRecord,
    WorkloadRecord,
)
from keyturn.providers import OpenProviders
from keyturn.providers.ring import certificates
from keyturn.providers.tls import making, material
from keyturn.providers.tls.kinds import Certificate
from support.postgres_plan import WallClock
from support.provider_rig import RealTime
from support.ring_pods import KEY, SECRET, RingPods
from support.tls_server import NAME, TlsServer, accepts, free_port, served

FIRST, PRESENTED = "2026-01", "orders-tls"
KEYS = {"id": "{username}", "tls.crt": "{certificate}", "tls.key": "{privateKey}", "ca.crt": "{ca}"}
WISH = {"names": [NAME], "validity": "30d"}


def wish(**half: object) -> Certificate:
    secret = {"name": SECRET, "key": KEY, "format": "CaBundle"}
    return Certificate.model_validate({"acceptors": {"secret": secret}, **WISH, **half})


def authority(name: str = "root", **half: object) -> material.Signer:
    return making.own_authority(name, wish(**half), WallClock().now())


def signed(signer: material.Signer | None = None, when: datetime | None = None, **half: object) -> Sealed:
    """A certificate of this authority, or of one of its own."""
    now = when or WallClock().now()
    return making.issued(signer or making.own_authority("root", wish(**half), now), wish(**half), now)


def root_of(value: Sealed) -> str:
    chain = material.chain_of(value)
    assert chain is not None
    return chain.root.public_bytes(serialization.Encoding.PEM).decode()


def authority_secret(signer: material.Signer) -> SecretRecord:
    """As cert-manager writes it."""
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    between = [one for one in signer.between if one != signer.certificate]
    own = b"".join(one.public_bytes(serialization.Encoding.PEM) for one in (signer.certificate, *between))
    data = {
        "tls.crt": Sealed(own),
        "tls.key": Sealed(signer.key.private_bytes(serialization.Encoding.PEM, form, plain)),
        "ca.crt": Sealed(signer.root.public_bytes(serialization.Encoding.PEM)),
    }
    return SecretRecord(ObjectKey("shop", "shop-ca"), "uid-ca", "1", data, {})


@dataclass
class TlsPods(RingPods):
    """Besides those who verify: Deployments that present, each pod a server of its own."""

    serving: dict[str, TlsServer] = field(default_factory=dict[str, TlsServer])
    presented: dict[str, Sealed] = field(default_factory=dict[str, Sealed])  # their Secret
    pod_shown: dict[str, object] = field(default_factory=dict[str, object])

    async def secret(self, key: ObjectKey) -> SecretRecord | None:
        if key.name != PRESENTED:
            return await super().secret(key)
        self._ask()
        return SecretRecord(key, "tls-uid", "1", self.presented, {}) if self.presented else None

    async def consumers(
        self,
        namespace: str,
        secret: str,
        listed: Sequence[ConsumerRef],
        *,
        discover: bool,
        plan: ObjectKey | None = None,
    ) -> Sequence[WorkloadRecord]:
        if secret == SECRET:
            assert plan is not None
            return await super().consumers(namespace, secret, listed, discover=discover, plan=plan)
        assert (namespace, secret, discover) == ("shop", PRESENTED, True)
        self._ask()
        return [replace(self._workload("gate"), ref=ConsumerRef("Deployment", "shop", "web"))]

    async def pods(self, workloads: Sequence[WorkloadRecord], namespace: str, secret: str) -> Sequence[PodRecord]:
        if secret == SECRET:
            return await super().pods(workloads, namespace, secret)
        self._ask()
        return [self._server(name, server) for name, server in self.serving.items()]

    def _server(self, name: str, server: TlsServer) -> PodRecord:
        accepting = self._pod(self.pods_there[0])
        consumer = ConsumerRef("Deployment", "shop", name.partition("-")[0])
        pod = replace(accepting, name=name, uid=f"uid-{name}", address=server.address, consumer=consumer)
        return replace(pod, **self.pod_shown)  # type: ignore[arg-type]  # fields by name


@dataclass
class TlsSetting:
    """One plan, its verifiers and its servers."""

    current: Credential
    port: int = 8443
    half: dict[str, Any] = field(default_factory=dict[str, Any])
    spec: dict[str, Any] = field(default_factory=dict[str, Any])
    signer: material.Signer | None = None
    known: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.pods = TlsPods({KEY: Sealed(root_of(self.current.value))})
        self.pods.keep(self.current)

    def serve(self, name: str, value: Sealed, **how: bool) -> TlsServer:
        server = TlsServer(self.port, value, **how)
        self.pods.serving[name] = server
        return server

    def stop(self) -> None:
        for server in self.pods.serving.values():
            server.stop()

    def records(self) -> tuple[ProviderRecord, PlanRecord]:
        tls = {"adminSecretRef": {"name": "shop-ca"}, "names": ["*.svc"]} if self.signer is not None else {}
        provider = CredentialProviderSpec.model_validate({"tls": tls, "allow": {"secrets": ["*"]}})
        ring = {"name": SECRET, "key": KEY, "format": "CaBundle"}
        half = {"acceptors": {"secret": ring, "known": list(self.known)}, **WISH, "port": self.port, **self.half}
        spec = RotationPlanSpec.model_validate({
            "providerRef": {"name": "keys"}, "tls": {k: v for k, v in half.items() if v is not None},
            "secret": {"name": PRESENTED, "keys": KEYS}, "schedule": {"maxAge": "20d"},
            "verify": {"require": ["Process"]}, "retire": {"acceptBlindWatch": True},
            "rollout": {"maxParallel": 2}, **self.spec,
        })  # fmt: skip
        status = PlanStatus(system_id="", current_id=self.current.id)
        return (
            ProviderRecord("CredentialProvider", ObjectKey("shop", "keys"), "uid-provider", 1, provider),
            PlanRecord(ObjectKey("shop", PRESENTED), "uid-plan", 1, "1", spec, status),
        )

    def providers(self) -> OpenProviders:
        return OpenProviders(WallClock(), cast("Cluster", self.pods), cast("Probes", self.pods))

    def open(self) -> Provider:
        secret = authority_secret(self.signer) if self.signer is not None else None
        return self.providers().open(*self.records(), secret)


class Rolled:
    """A provider whose new values are escrowed before it hears of them; presenters roll as soon as it has."""

    def __init__(self, provider: Provider, setting: TlsSetting) -> None:
        self._provider, self._setting = provider, setting

    def __getattr__(self, name: str) -> Any:
        return getattr(self._provider, name)

    async def ensure(self, op: Op, new: Credential, like: str) -> None:
        self._setting.pods.keep(new)
        await self._provider.ensure(op, new, like)
        self._setting.pods.serving["web-1"].present(new.value)

    async def contain(self, op: Op, new: Credential, old_id: str, strangers: Sequence[str]) -> None:
        self._setting.pods.keep(new)
        await self._provider.contain(op, new, old_id, strangers)
        self._setting.pods.serving["web-1"].present(new.value)


class TlsRig(RealTime):
    """Certificates under the provider contract: whoever tries one shakes hands."""

    free = f"{PRESENTED}-1"
    version = "servers on loopback that present it; verifiers in memory, through the Cluster and Probes ports"

    def __init__(self) -> None:
        self.current = Credential(FIRST, signed())
        self.setting = TlsSetting(self.current, free_port())
        self.setting.serve("web-1", self.current.value)
        self.provider: Provider = self.again()

    def again(self) -> Provider:
        return cast("Provider", Rolled(self.setting.open(), self.setting))

    async def admits(self, credential: Credential) -> bool:
        """Does every verifier's pod, with the bundle it holds, connect to a server that presents it?"""
        with served(free_port(), credential.value) as server:
            return all(accepts(pod.held, server.address, server.port) for pod in self.setting.pods.pods_there)

    @asynccontextmanager
    async def somebody(self, credential: Credential) -> AsyncGenerator[None]:
        """One more pod presents it."""
        name = f"job-{len(self.setting.pods.serving)}"
        server = self.setting.serve(name, credential.value)
        try:
            yield
        finally:
            del self.setting.pods.serving[name]
            server.stop()

    def unplug(self) -> None:
        self.setting.pods.down = True

    def add_stranger(self) -> Credential:
        value, pods = signed(), self.setting.pods
        pods.edit(KEY, Sealed(pods.data[KEY].reveal_text() + root_of(value)))
        for name in pods.names:
            pods.roll(name)
        return Credential(certificates.name_of(root_of(value)), value)

    def remove_stranger(self) -> None:
        pods = self.setting.pods
        pods.edit(KEY, Sealed(root_of(self.current.value)))
        for name in pods.names:
            pods.roll(name)
