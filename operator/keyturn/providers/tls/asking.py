"""Certificates that cert-manager signs: asked for once a rotation, and looked at until it has signed or refused.

    key made, kept in memory        CertificateRequest        signed          escrow: key and certificates
    ───────┬────────────────────────────┬───────────────────────┬──────────────────────┬────►
      crash: nothing made         crash: the request is removed, and another key asked for

The key is nowhere but in memory until its certificate is there: what is lost with it is a request, never a secret.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from keyturn.core.model import ObjectKey, Op
from keyturn.core.sealed import Sealed
from keyturn.ports import Awaited, Clock, Credential, Denied, Pending, PlanRecord, Signing, SigningAnswer, SigningWish
from keyturn.providers.tls import making
from keyturn.providers.tls.kinds import Certificate, CertManagerIssuer
from keyturn.providers.tls.material import chain_of, put_together

_USAGES: Final = {"ServerAuth": "server auth", "ClientAuth": "client auth"}
_LONGEST_STEM: Final = 40


@dataclass(frozen=True, slots=True)
class Asked:
    """A key whose certificate is awaited, and for which step."""

    rotation: str
    generation: int
    key: ec.EllipticCurvePrivateKey
    csr: bytes

    def is_for(self, op: Op) -> bool:
        """On the way back the generation is another one."""
        return (self.rotation, self.generation) == (op.rotation_uid, op.generation)


class Asking:
    """Satisfies ``ports.Issuer``. ``kept``, by plan, is the process' own and outlives a look."""

    def __init__(
        self,
        plan: PlanRecord,
        wish: Certificate,
        issuer: CertManagerIssuer,
        cluster: Signing,
        clock: Clock,
        kept: dict[str, Asked],
        next_id: Callable[[], Awaitable[str]],
    ) -> None:
        self._plan, self._wish, self._issuer, self._cluster, self._clock = plan, wish, issuer, cluster, clock
        self._kept, self._next_id = kept, next_id

    async def issue(self, op: Op, like: str, strangers: Sequence[str] = ()) -> Credential:
        """Raises Awaited while it is not signed, Denied where it never will be, or would be of no use."""
        _ = like, strangers  # a certificate gives no more rights than another
        mine, key = self._kept.get(self._plan.uid), self._request(op)
        if mine is None or not mine.is_for(op):
            fresh = making.fresh_key()
            mine = Asked(op.rotation_uid, op.generation, fresh, making.request_for(fresh, self._wish))
            self._kept[self._plan.uid] = mine
        answer = await self._answer(mine, key)
        if answer is None or not (answer.certificate or answer.refused):
            raise Awaited(
                "SignatureAwaited",
                f"{self._issuer.kind} {self._issuer.name} has not signed yet; look with: kubectl describe "
                f"certificaterequest {key.name} -n {key.namespace}",
            )
        made = Credential(await self._next_id(), self._signed(mine, answer, key))
        await self._cluster.forget_signing(key)
        del self._kept[self._plan.uid]
        return made

    async def sweep(self, op: Op, pending: Pending) -> None:
        """A request whose key is lost goes; one whose key is here, and is for this very step, is awaited further."""
        _ = pending
        mine = self._kept.get(self._plan.uid)
        if mine is not None and mine.is_for(op):
            return
        await self._cluster.forget_signing(self._request(op))
        self._kept.pop(self._plan.uid, None)

    async def _answer(self, mine: Asked, key: ObjectKey) -> SigningAnswer | None:
        """To this request. One that came to light late is for a key that nobody has any more: it goes."""
        answer = await self._cluster.signing(key)
        if answer is not None and answer.csr != mine.csr:
            await self._cluster.forget_signing(key)
            return None
        if answer is None:
            usages = tuple(_USAGES[usage] for usage in self._wish.usages)
            wish = SigningWish(mine.csr, self._issuer.name, self._issuer.kind, usages, self._wish.validity)
            await self._cluster.ask_to_sign(key, wish)
        return answer

    def _request(self, op: Op) -> ObjectKey:
        number = hashlib.sha256(op.rotation_uid.encode()).hexdigest()[:10]
        stem = self._plan.key.name[:_LONGEST_STEM].rstrip(".-")
        return ObjectKey(self._plan.key.namespace, f"keyturn-{stem}-{number}")

    def _signed(self, mine: Asked, answer: SigningAnswer, key: ObjectKey) -> Sealed:
        if answer.refused:
            raise Denied(
                "SignatureRefused",
                f"cert-manager will not sign ({answer.refused}): look with kubectl describe certificaterequest "
                f"{key.name} -n {key.namespace}",
            )
        value = put_together(mine.key, answer.certificate, answer.root)
        chain = chain_of(value) if value is not None else None
        if value is None or chain is None or making.unfit(chain, self._wish, self._clock.now()):
            raise Denied(
                "SignedUnfit",
                f"what {self._issuer.kind} {self._issuer.name} signed would be refused: it must be for tls.names and "
                "tls.usages, and its issuer must tell the root that it leads to (status.ca); nothing was changed",
            )
        return value
