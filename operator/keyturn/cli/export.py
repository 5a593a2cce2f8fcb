"""``kubectl keyturn export``: every credential of the plans, sealed to a public key whose private half is offline.

It reads with the rights of whoever calls it and changes nothing in the cluster. The provider's admin Secret is left
out: the rotator can become what it rotates, its owner made it and can make it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from keyturn.api.kinds import PLAN
from keyturn.api.labels import escrow_name
from keyturn.cli.exported import Consumed, Export, Kept, manifest, to_content
from keyturn.cli.sealed_file import seal, write_new
from keyturn.cli.session import Session
from keyturn.core.model import ObjectKey
from keyturn.core.sealed import Sealed
from keyturn.kube.escrow import escrow_of
from keyturn.kube.paths import PLANS, core, ours, plural_of
from keyturn.kube.raw import Json, text
from keyturn.kube.secrets import record_of
from keyturn.ports import Clock, Misconfigured


@dataclass(frozen=True, slots=True)
class Written:
    """The export and the file that it is in."""

    export: Export
    path: Path
    digest: str  # SHA-256 of the file, hex

    @property
    def whole(self) -> bool:
        """Nothing that should be in it was missing in the cluster."""
        return not any(True for kept in self.export.plans for _ in kept.lacks())


async def export(session: Session, clock: Clock, plan: str | None, operator_namespace: str) -> Export:
    """One plan of the namespace, or with None all plans of the cluster.

    Raises:
        Misconfigured: no such plan, no plan at all, no operator, an escrow cannot be read.
        Forbidden: a right is missing.
    """
    home = operator_namespace or await session.operator_namespace("name its namespace with --operator-namespace")
    found = await _plans(session, plan)
    return Export(clock.now(), [await _kept(session, one, home) for one in found])


def write(export: Export, recipient: X25519PublicKey, path: Path) -> Written:
    """Seal it into a new file. Raises Misconfigured if there is one already, or none can be made."""
    sealed = seal(to_content(export), recipient)
    write_new(path, sealed)
    return Written(export, path, sha256(sealed).hexdigest())


async def _plans(session: Session, name: str | None) -> list[Json]:
    if name is not None:
        found = await session.api.read(ours(PLANS, session.namespace, name))
        if found is None:
            raise session.missing(f"plan {name}", "kubectl get rotationplans -A")
        return [found]
    every = await session.api.collect(ours(PLANS), _as_stored)
    if not every:
        raise Misconfigured("NoPlans", "there are no plans in this cluster; look at: kubectl config current-context")
    return sorted(every, key=lambda one: (text(one, "metadata", "namespace"), text(one, "metadata", "name")))


async def _kept(session: Session, stored: Json, home: str) -> Kept:
    """The Secret is read before the escrow: what a Secret holds is in escrow first, so the escrow read has it too."""
    plan = manifest(PLAN.name, stored)
    known = Kept(plan, None, None, {})
    raw = await session.api.read(core("secrets", known.secret_key))
    secret = None if raw is None else _consumed(raw, set(known.managed))
    return Kept(
        plan,
        await _provider(session, plan),
        secret,
        await _escrowed(session, ObjectKey(home, escrow_name(text(stored, "metadata", "uid")))),
        text(stored, "status", "currentId"),
        text(stored, "status", "activeRotation"),
    )


def _consumed(raw: Json, managed: set[str]) -> Consumed:
    data = record_of(raw).data
    ours_ = {key: value for key, value in data.items() if key in managed}
    return Consumed(text(raw, "type"), ours_, tuple(sorted(data.keys() - managed)))


async def _escrowed(session: Session, key: ObjectKey) -> dict[str, Sealed]:
    found = await session.api.read(core("secrets", key))
    return {} if found is None else dict(escrow_of(found).values)


async def _provider(session: Session, plan: Json) -> Json | None:
    kind = text(plan, "spec", "providerRef", "kind") or "CredentialProvider"
    namespace = text(plan, "metadata", "namespace") if kind == "CredentialProvider" else None
    found = await session.api.read(ours(plural_of(kind), namespace, text(plan, "spec", "providerRef", "name")))
    return None if found is None else manifest(kind, found)


def _as_stored(found: Json) -> Json:
    return found
