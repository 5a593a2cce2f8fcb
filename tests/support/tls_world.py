"""The simulated world for certificates: some pods present one, some verify, one does both, and all of them connect.

After every write and every move: every pod that verifies accepts what every pod presents. It is asked of what they
hold, by verifying the chain, and not of any status. Handshakes are of this world; real ones are in tests/contract.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

from cryptography.hazmat.primitives import serialization

from keyturn.api.kinds import CredentialProviderSpec
from keyturn.core.model import ObjectKey
from keyturn.core.sealed import Sealed
from keyturn.kube import paths
from keyturn.kube.signing import body_of
from keyturn.ports import PlanRecord, Provider, ProviderRecord, SecretRecord, SigningWish
from keyturn.providers.ring import certificates
from keyturn.providers.tls import making, material, provider
from keyturn.providers.tls.handshake import Presented
from support.cert_manager import CertManager
from support.pods import Pod
from support.promises import Broken
from support.ring_world import _MODE_OF_LOSS, KEY, RING, SIGN, VERIFY, RingWorld
from support.tls_rig import FIRST, WISH, authority_secret, root_of, wish
from support.world import START

KEYS = {
    "url": "{password}",
    "id": "{username}",
    "tls.crt": "{certificate}",
    "tls.key": "{privateKey}",
    "ca.crt": "{ca}",
}
TLS_SPEC: dict[str, object] = {
    "providerRef": {"name": "keys"},
    "tls": {**WISH, "port": 8443, "acceptors": {"secret": {"name": RING, "key": KEY, "format": "CaBundle"}}},
    "schedule": {"maxAge": "20d"},
    "secret": {"name": "orders-tls", "keys": KEYS},
    "rollout": {"progressDeadline": "5m"},
    "verify": {"require": ["Process"], "soak": "20s", "proofDeadline": "1m"},
    "retire": {"watch": "20s", "acceptBlindWatch": True},
}


def rendered(value: Sealed) -> dict[str, Sealed]:
    """As a person would have put it into the Secret: by openssl and an editor, not by our own templates."""
    blocks = value.reveal_text().replace("-----\n-----BEGIN", "-----\n\0-----BEGIN").split("\0")
    names = ("tls.key", "tls.crt", "ca.crt")
    return {"url": value, "id": Sealed(FIRST)} | {n: Sealed(b) for n, b in zip(names, blocks, strict=True)}


@dataclass
class TlsWorld(RingWorld):
    """One plan; who presents is called signer and web, who verifies gate and web."""

    signer: material.Signer | None = None  # the provider's own authority
    manager: CertManager | None = None  # who signs instead
    age: timedelta = timedelta()  # of the certificate that is presented at the beginning
    half: str = "tls"
    first_spec: dict[str, object] = field(default_factory=lambda: TLS_SPEC)
    hung: set[str] = field(default_factory=set[str])  # consumers that go on presenting what they read first
    unheard: set[str] = field(default_factory=set[str])  # consumers that nobody can shake hands with

    def __post_init__(self) -> None:
        signer = self.signer or making.own_authority("root", wish(), START)
        self.first_value = making.issued(signer, wish(), START - self.age)
        self.first_secret, self.first_ring = rendered(self.first_value), Sealed(root_of(self.first_value))
        self.broken_on_purpose = False
        self.read_first: dict[str, Sealed] = {}
        super().__post_init__()

    def restart_operator(self) -> None:
        super().restart_operator()
        self.opening = provider.opened_inside(self.clock, self.cluster, self, self.shake)
        if self.manager is not None:
            vars(self.cluster).update(
                signing=self.manager.signing, ask_to_sign=self.ask_to_sign, forget_signing=self.manager.forget_signing
            )

    async def ask_to_sign(self, key: ObjectKey, wish: SigningWish) -> None:
        manager, where = self.manager, paths.signing(ObjectKey(key.namespace, ""))
        assert manager is not None
        await self.cluster._change("ask-to-sign", lambda: manager.put(where, body_of(key, wish)))

    def open(self, record: ProviderRecord, plan: PlanRecord, admin: SecretRecord | None) -> Provider:  # type: ignore[override]
        del admin  # this world keeps no Secret for it
        if self.manager is not None:
            tls = {"certManager": {"name": "shop-ca"}, "names": ["*.svc"]}
            spec = CredentialProviderSpec.model_validate({"tls": tls})
            record = replace(record, kind="ClusterCredentialProvider", spec=spec)
        nobody = SecretRecord(ObjectKey("", ""), "", "", {}, {})
        return self.opening(record, plan, authority_secret(self.signer) if self.signer else nobody)

    async def shake(self, address: str, port: int, name: str, root: str) -> Presented:
        assert (port, name) == (8443, "orders.shop.svc")
        pod = next((one for one in self.cluster.fleet.pods() if one.address == address), None)
        if pod is None or pod.crashed or pod.held is None or pod.consumer.name in self.unheard:
            return Presented(why="nothing listens there, or it cannot be reached")
        if pod.consumer not in SIGN:
            raise AssertionError(f"{pod.name} only verifies")
        chain = material.chain_of(self.presents(pod))
        assert chain is not None
        leaf = chain.leaf.public_bytes(serialization.Encoding.DER)
        return Presented(leaf, accepted=root == root_of(self.presents(pod)))

    def presents_first(self) -> None:
        """Remember what everybody presents now."""
        for pod in self.cluster.fleet.pods():
            self.presents(pod)

    @property
    def blocked_by(self) -> str:
        return " ".join(f"{one.reason}: {one.message}" for one in self.rotation_status.conditions)

    def presents(self, pod: Pod) -> Sealed:
        assert pod.held is not None
        first = self.read_first.setdefault(pod.consumer.name, pod.held.value)
        return first if pod.consumer.name in self.hung else pod.held.value

    def tokens_are_accepted(self) -> None:
        """Every certificate that is presented, by every pod that verifies, those that end included."""
        fleet, now = self.cluster.fleet, self.clock.true
        running = [pod for pod in fleet.pods() if not pod.crashed and pod.held is not None]
        if self.mode == _MODE_OF_LOSS or self.broken_on_purpose:
            return
        for one in (pod for pod in running if pod.consumer in SIGN and (pod.ready or pod.terminating)):
            chain = material.chain_of(self.presents(one))
            assert chain is not None
            for other in (pod for pod in running if pod.consumer in VERIFY):
                trusted = certificates.blocks(fleet.rings[other.name].reveal_text()) or ()
                if chain.root not in map(certificates.in_entry, trusted) or now >= chain.ends:
                    raise Broken(f"I1: {other.name} does not accept what {one.name} presents, in {self.phase}")


def ids_in(world: TlsWorld) -> set[str]:
    """Whose authorities the bundle holds."""
    text, escrow = world.cluster.ring[KEY].reveal_text(), world.cluster.the_escrow
    known = {FIRST: world.first_value, **(escrow.values if escrow is not None else {})}
    blocks = certificates.blocks(text) or ()
    return {id_ for id_, value in known.items() if any(certificates.same(block, value) for block in blocks)}
