"""A plan whose keys pods judge, for the provider contract and for tests of its own."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from keyturn.api.kinds import CredentialProviderSpec, PlanStatus, RotationPlanSpec
from keyturn.core.model import ObjectKey, Op
from keyturn.core.sealed import Sealed
from keyturn.ports import Cluster, Credential, PlanRecord, Probes, Provider, ProviderRecord
from keyturn.providers import OpenProviders
from support.postgres_plan import WallClock
from support.provider_rig import RealTime
from support.ring_pods import KEY, SECRET, RingPods

FIRST = "2026-01"
SNEAKY = Credential("sneaky", Sealed("value-of-a-stranger-of-a-test"))
PRIVATE = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
PEM = PRIVATE.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
KINDS = {
    "keyring-Hmac": ("keyring", {"key": "Hmac", "maxTokenLifetime": "10m"}, "JsonMap"),
    "keyring-Jwks": ("keyring", {"key": "Ed25519", "maxTokenLifetime": "10m"}, "Jwks"),
    "generic": ("generic", {}, "JsonMap"),
}


def public(key: ed25519.Ed25519PrivateKey) -> str:
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def ring_of(form: str, *keys: Credential) -> Sealed:
    """As a person would write it."""
    texts = [key.value.reveal_text() for key in keys]
    match form:
        case "JsonMap":
            return Sealed(json.dumps({key.id: key.value.reveal_text() for key in keys}))
        case "Jwks":
            return Sealed(json.dumps({"keys": [_jwk(key) for key in keys]}))
        case "Lines":
            return Sealed("\n".join(texts) + "\n")
        case _:
            return Sealed(",".join(texts))


def _jwk(key: Credential) -> dict[str, str]:
    loaded = serialization.load_pem_private_key(key.value.reveal(), password=None)
    return {"kty": "OKP", "kid": key.id, "crv": "Ed25519", "x": public(cast("ed25519.Ed25519PrivateKey", loaded))}


@dataclass
class RingSetting:
    """One plan and its acceptors."""

    pods: RingPods
    field: str
    half: dict[str, Any]
    form: str
    current: Credential
    system: str = ""
    allowed: tuple[str, ...] = ("*",)
    known: tuple[str, ...] = ()
    ring_name: str = SECRET
    parallel: int = 2

    def records(self) -> tuple[ProviderRecord, PlanRecord]:
        provider = CredentialProviderSpec.model_validate({self.field: {}, "allow": {"secrets": list(self.allowed)}})
        secret = {"name": self.ring_name, "key": KEY, "format": self.form}
        acceptors = {"secret": secret, "known": list(self.known)}
        half = {"acceptors": acceptors, **self.half}
        spec = RotationPlanSpec.model_validate({
            "providerRef": {"name": "keys"}, self.field: half,
            "secret": {"name": "orders-key", "keys": {"KID": "{username}", "KEY": "{password}"}},
            "verify": {"require": ["Process"], "acceptBlindSoak": True}, "retire": {"acceptBlindWatch": True},
            "rollout": {"maxParallel": self.parallel},
        })  # fmt: skip
        status = PlanStatus(system_id=self.system, current_id=self.current.id)
        return (
            ProviderRecord("CredentialProvider", ObjectKey("shop", "keys"), "uid-provider", 1, provider),
            PlanRecord(ObjectKey("shop", "orders-key"), "uid-plan", 1, "1", spec, status),
        )

    def providers(self) -> OpenProviders:
        return OpenProviders(WallClock(), cast("Cluster", self.pods), cast("Probes", self.pods))

    def open(self) -> Provider:
        return self.providers().open(*self.records(), None)


def setting(kind: str = "keyring-Hmac", form: str = "", **pods: Any) -> RingSetting:
    """The current key stands in the ring and in the escrow."""
    field, half, usual = KINDS[kind]
    form = form or usual
    value = Sealed(PEM) if form == "Jwks" else Sealed("current-key-of-a-test-0123456789")
    current = Credential(FIRST, value)
    there = RingPods({KEY: ring_of(form, current)}, **pods)
    there.keep(current)
    return RingSetting(there, field, dict(half), form, current)


class Escrowed:
    """A provider whose new values are escrowed before it hears of them, as the reconciler does."""

    def __init__(self, provider: Provider, pods: RingPods) -> None:
        self._provider, self._pods = provider, pods

    def __getattr__(self, name: str) -> Any:
        return getattr(self._provider, name)

    async def ensure(self, op: Op, new: Credential, like: str) -> None:
        self._pods.keep(new)
        await self._provider.ensure(op, new, like)

    async def contain(self, op: Op, new: Credential, old_id: str, strangers: Sequence[str]) -> None:
        self._pods.keep(new)
        await self._provider.contain(op, new, old_id, strangers)


class RingRig(RealTime):
    """Pods that judge keys, under the provider contract."""

    free = "orders-key-1"
    version = "pods in memory, through the Cluster and Probes ports"

    def __init__(self, kind: str) -> None:
        self.setting = setting(kind)
        self.current = self.setting.current
        self.provider: Provider = self.again()

    def again(self) -> Provider:
        return cast("Provider", Escrowed(self.setting.open(), self.setting.pods))

    async def admits(self, credential: Credential) -> bool:
        """Does every pod accept it?"""
        if self.setting.form == "JsonMap":
            wanted = credential.value.reveal_text()
            return all(ring.get(credential.id) == wanted for ring in self.setting.pods.accepted())
        if credential == SNEAKY:
            return all(SNEAKY.id in pod.held.reveal_text() for pod in self.setting.pods.pods_there)
        mine = _jwk(credential)
        rings = [ring["keys"] for ring in cast("list[Any]", self.setting.pods.accepted())]
        return all(any((one["kid"], one["x"]) == (mine["kid"], mine["x"]) for one in ring) for ring in rings)

    @asynccontextmanager
    async def somebody(self, credential: Credential) -> AsyncGenerator[None]:
        """There are no sessions to hold open."""
        assert await self.admits(credential)
        yield

    def unplug(self) -> None:
        self.setting.pods.down = True

    def add_stranger(self) -> Credential:
        held = json.loads(self.setting.pods.data[KEY].reveal_text())
        if self.setting.form == "JsonMap":
            held[SNEAKY.id] = SNEAKY.value.reveal_text()
        else:
            held["keys"].append({"kty": "oct", "kid": SNEAKY.id, "k": "abc"})
        self._edit(held)
        return SNEAKY

    def remove_stranger(self) -> None:
        held = json.loads(self.setting.pods.data[KEY].reveal_text())
        if self.setting.form == "JsonMap":
            del held[SNEAKY.id]
        else:
            held["keys"] = [one for one in held["keys"] if one["kid"] != SNEAKY.id]
        self._edit(held)

    def _edit(self, held: Any) -> None:
        self.setting.pods.edit(KEY, Sealed(json.dumps(held)))
        for name in self.setting.pods.names:
            self.setting.pods.roll(name)
