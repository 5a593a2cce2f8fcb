"""Opens plans of certificates: a ring whose keys are authorities, and whose presenters are shaken hands with.

    authority of NEW into the bundle -> every verifier proves it -> NEW to presenters -> handshakes -> OLD out of it

Who signed both OLD and NEW cannot leave the bundle. Then nothing refuses OLD before its end, so that is waited for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from keyturn.core.evidence import Session
from keyturn.core.model import Idle, ObjectKey, Op, Trial
from keyturn.core.sealed import Sealed
from keyturn.ports import (
    Awaited,
    Checklist,
    Clock,
    Cluster,
    Credential,
    Denied,
    Misconfigured,
    PlanRecord,
    Principal,
    Probes,
    Provider,
    ProviderRecord,
    SecretRecord,
    Usage,
)
from keyturn.providers.opening import Open
from keyturn.providers.ring import certificates
from keyturn.providers.ring.kinds import Format
from keyturn.providers.ring.provider import RingProvider
from keyturn.providers.ring.settings import Settings, read_settings
from keyturn.providers.ring.view import View
from keyturn.providers.tls import checks, making
from keyturn.providers.tls.asking import Asked, Asking
from keyturn.providers.tls.handshake import Dial, dial
from keyturn.providers.tls.kinds import ABLE, Certificate, CertManagerIssuer, TlsPods
from keyturn.providers.tls.material import Signer, chain_of, signer_of
from keyturn.providers.tls.presenters import Presenters


def opened_inside(clock: Clock, cluster: Cluster, probes: Probes, shake: Dial = dial) -> Open:
    """Opens plans for the whole process. ``shake``: how a pod is asked what it presents."""
    kept: dict[str, Asked] = {}

    def open_(record: ProviderRecord, plan: PlanRecord, admin: SecretRecord) -> Provider:
        settings = read_settings("tls", Certificate, record, plan)
        wish = plan.spec.backend
        if not isinstance(wish, Certificate) or settings.form is not Format.CA_BUNDLE:
            raise Misconfigured(
                "FormatDoesNotFit", "spec.tls is verified by certificates: set acceptors.secret.format to CaBundle."
            )
        _require_allowed(wish, record)
        signer = signer_of(admin) if admin.key.name else None
        made = TlsProvider(settings, wish, cluster, probes, clock, signer, shake)
        if (issuer := _issuer(record)) is not None:
            made.issuer = Asking(plan, wish, issuer, cluster, clock, kept, made.free_id)
        return made

    return open_


def _issuer(record: ProviderRecord) -> CertManagerIssuer | None:
    half = record.spec.backend
    found = half.cert_manager if isinstance(half, TlsPods) else None
    if found is not None and record.kind != "ClusterCredentialProvider":
        raise Misconfigured(
            "IssuerForTheClusterOnly",
            "spec.tls.certManager lends the operator's right to ask for certificates: ask an administrator of the "
            "cluster to name the issuer in a ClusterCredentialProvider.",
        )
    return found


def _require_allowed(wish: Certificate, record: ProviderRecord) -> None:
    half = record.spec.backend
    allowed = half.names if isinstance(half, TlsPods) else []
    refused = [name for name in wish.names if allowed and not any(_within(name, one) for one in allowed)]
    if refused:
        raise Misconfigured(
            "NameNotAllowed", f"the provider's tls.names does not list {refused[0]} of spec.tls.names; ask its owner"
        )


def _within(name: str, pattern: str) -> bool:
    return name.endswith(pattern[1:]) if pattern.startswith("*.") else name == pattern


class TlsProvider(RingProvider):
    """A ring of authorities, and what its presenters present."""

    def __init__(
        self,
        settings: Settings,
        wish: Certificate,
        cluster: Cluster,
        probes: Probes,
        clock: Clock,
        signer: Signer | None,
        shake: Dial,
    ) -> None:
        super().__init__(settings, cluster, probes, self._issued)
        self._wish, self._clock, self._signer = wish, clock, signer
        self._presenters = Presenters(settings.plan, wish, cluster, shake)
        self.capabilities = replace(ABLE, sees_use=wish.seen)

    # --------------------------------------------------------------------------------------------- looking

    async def next_id(self, current_id: str) -> str:
        """A fresh name; "" where cert-manager signs: then it is given when there is something to name."""
        found = await super().next_id(current_id)
        return found if self.issuer is None else ""

    async def free_id(self) -> str:
        """A fresh name, whoever signs."""
        return await super().next_id(self._settings.plan.status.current_id)

    def mint(self) -> Sealed:
        """A key with its certificate."""
        if self.issuer is not None:
            raise Denied("MintedByServer", "cert-manager signs: no certificate is made without it.")
        return super().mint()

    async def inventory(self) -> tuple[Principal, ...]:
        """As of any ring; what is ours says when it ends."""
        found, view = await super().inventory(), await self._view()
        chains = {id_: chain_of(value) for id_, value in view.values.items()}
        return tuple(
            one if (chain := chains.get(one.id)) is None else replace(one, expires=chain.ends) for one in found
        )

    async def preflight(self, current: Credential | None, clients: Sequence[str] = ()) -> Checklist:
        """The ring's own list, and what certificates need."""
        of_ring = await super().preflight(current, clients)
        view = await self._view(*([current] if current is not None else ()))
        plan, now, where = self._settings.plan, self._clock.now(), self._settings.where
        presented = await self._cluster.secret(ObjectKey(plan.key.namespace, plan.spec.secret.name))
        needed = plan.spec.verify.soak + plan.spec.retire.watch
        chain = chain_of(current.value) if current is not None else None
        broken, short = checks.of_current(chain, now + needed) if current is not None else ([], [])
        found = (
            *of_ring.problems,
            *checks.of_plan(plan, self._wish),
            *checks.of_secret(presented, where, [*plan.spec.secret.keys]),
            *checks.of_bundle(view.ring, where, current.id if current is not None else "", now),
            *broken,
            *(checks.of_signer(self._signing(), self._wish, view.ring, now) if self.issuer is None else ()),
        )
        return Checklist(found, (*of_ring.unchecked, *short))

    async def test(self, credential: Credential) -> Trial:
        """What every verifier's pod proves, and whether the certificate is good now.

        Raises Awaited while a pod does not prove it yet; while nothing but time can make verifiers refuse it; where it
        is the plan's own and has ended.
        """
        trial, chain, now = await super().test(credential), chain_of(credential.value), self._clock.now()
        if chain is None:
            return trial
        if trial is Trial.DISABLED and now < chain.ends and self._vouched_for(await self._view(), credential):
            raise Awaited(
                "TrustedToItsEnd",
                f"who signed {credential.id} is trusted still, so nothing refuses it before it ends at "
                f"{chain.ends:%Y-%m-%d %H:%MZ}",
            )
        if trial is Trial.WORKS and not chain.begins <= now < chain.ends:
            if not self._is_old(credential.id):
                return Trial.REFUSED
            raise Awaited(
                "CertificateEnded",
                f"{credential.id} ended at {chain.ends:%Y-%m-%d %H:%MZ} and does not come back; what replaces it needs "
                "a Rotation with mode: Availability",
            )
        return trial

    async def usage(self, ids: Sequence[str], control: Credential) -> Mapping[str, Usage]:
        """By handshakes with every presenter's pod, which trust ``control``'s authority alone.

        What the bundle does not hold any more opens nothing, whoever presents it: see ``refused_attempts``.
        """
        view = await self._view(control)
        trusted = [id_ for id_ in ids if view.ring.entry(id_)]
        if not view.ring.holds(control):
            nobody = Usage(Idle.UNKNOWN, blind="the certificate to compare with is not trusted")
            return dict.fromkeys(ids, nobody)
        seen = await self._presenters.usage(trusted, control, view.values) if trusted else {}
        return {id_: seen.get(id_, Usage(Idle.NOT_SEEN)) for id_ in ids}

    async def refused_attempts(self, id_: str, since: datetime) -> tuple[Session, ...]:
        """Whoever presents now what is not trusted any more: each of its clients refuses it."""
        view = await self._view()
        value = view.values.get(id_)
        if value is None or view.ring.entry(id_):
            return ()
        _ = since  # it is looked at now
        return await self._presenters.presenting(Credential(id_, value))

    # -------------------------------------------------------------------------------------------- changing

    async def ensure(self, op: Op, new: Credential, like: str) -> None:
        """As of any ring; but what would be taken for another authority does not come in."""
        _require_apart(await self._view(new), new)
        await super().ensure(op, new, like)

    async def contain(self, op: Op, new: Credential, old_id: str, strangers: Sequence[str]) -> None:
        """As of any ring; but who signed both cannot be distrusted."""
        view = await self._view(new)
        _require_apart(view, new)
        old = view.values.get(old_id)
        new_chain, old_chain = chain_of(new.value), chain_of(old) if old is not None else None
        if new_chain is not None and old_chain is not None and new_chain.root == old_chain.root:
            raise Denied(
                "NotContainable",
                "The authority that signed the old certificate signed the new one too, so verifiers cannot refuse the "
                "old one alone: nothing was changed. Give the provider another authority first.",
            )
        await super().contain(op, new, old_id, strangers)

    # ---------------------------------------------------------------------------------------------- inside

    def _issued(self) -> Sealed:
        return making.issued(self._signing(), self._wish, self._clock.now())

    def _signing(self) -> Signer:
        """Whoever signs next: the provider's authority, or a fresh one."""
        plan = self._settings.plan.key
        return self._signer or making.own_authority(f"{plan.namespace}/{plan.name}", self._wish, self._clock.now())

    def _vouched_for(self, view: View, credential: Credential) -> bool:
        return any(certificates.same(one.value.reveal_text(), credential.value) for one in view.ring.entries)


def _require_apart(view: View, new: Credential) -> None:
    """Preflight asked the same of an authority that is known; what cert-manager answers is known only now."""
    chain = chain_of(new.value)
    there = [certificates.in_entry(one.value.reveal_text()) for one in view.ring.entries]
    if chain is not None and making.others_with_its_key_identifier(chain.root, there):
        raise Denied("KeyIdentifierTaken", f"{checks.SAME_IDENTIFIER}: nothing was changed.")
