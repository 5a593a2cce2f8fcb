"""Open a plan's provider, and take over the credential that is in use: without changing anything."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from keyturn.api.backends import ProviderHalf
from keyturn.api.conditions import ConditionType, Reason, set_condition
from keyturn.api.plan_kinds import PlanStatus
from keyturn.core.model import ObjectKey, Problem, Sameness, Trial
from keyturn.core.rendering import Place, TemplateMismatch, extract, unknown_placeholders
from keyturn.ports import (
    Announcement,
    Clock,
    Cluster,
    Credential,
    Escrow,
    KeyturnError,
    Misconfigured,
    PlanRecord,
    Probes,
    Provider,
    ProviderRecord,
    Providers,
    RotationRecord,
    SecretRecord,
)
from keyturn.reconciler import checklist, rotators
from keyturn.reconciler.drift import undrifted
from keyturn.reconciler.pacing import AGAIN, AT_REST, not_ready_since, patience


@dataclass(frozen=True, slots=True)
class Opened:
    """A plan's backend for one tick."""

    provider: Provider
    place: Place
    terms: ProviderRecord  # what the provider's owner allows and asks for, as it was opened by


class Adopter:
    """From a plan on paper to one whose current credential is known, works, and is safe in escrow."""

    def __init__(self, cluster: Cluster, providers: Providers, probes: Probes, clock: Clock) -> None:
        self._cluster, self._providers, self._probes, self._clock = cluster, providers, probes, clock

    # ------------------------------------------------------------------------------------------- provider

    async def open(self, plan: PlanRecord, active: RotationRecord | None) -> Opened | None:
        """The plan's provider, or None with the reason in the plan's conditions."""
        spec = active.status.plan if active is not None and active.status.plan is not None else plan.spec
        asked = replace(plan, spec=spec)
        try:
            found = await self._cluster.provider(asked)
            admin = await self._admin(found)
            self._admit(found, asked, admin)
            return Opened(self._providers.open(found, asked, admin), _backend(found).place, found)
        except KeyturnError as error:
            await self.say(plan, error.problem)
            return None

    async def _admin(self, found: ProviderRecord) -> SecretRecord | None:
        _backend(found)
        if (key := found.admin_key) is None:
            return None
        admin = await self._cluster.secret(key)
        if admin is None:
            raise Misconfigured(
                "AdminSecretMissing", f"Secret {key.name} of the provider's adminSecretRef does not exist; create it"
            )
        return admin

    def _admit(self, found: ProviderRecord, plan: PlanRecord, admin: SecretRecord | None) -> None:
        name = plan.spec.secret.name
        if not found.admits_namespace:
            raise Misconfigured(
                "NamespaceNotAdmitted", "the provider's namespaceSelector does not match this namespace"
            )
        if not checklist.secret_allowed(found.spec.allow.secrets, name):
            raise Misconfigured("SecretNotAllowed", f"the provider's allow.secrets does not list {name}; ask its owner")
        if admin is not None and admin.key == ObjectKey(plan.key.namespace, name):
            raise Misconfigured(
                "SecretIsAdmin",
                "secret.name is the provider's own admin Secret; name the consumers' one, or "
                "rotate it through another provider (docs/security.md)",
            )

    # ------------------------------------------------------------------------------------------- adoption

    async def adopt(self, plan: PlanRecord, opened: Opened) -> timedelta:
        """Take over the current credential without changing anything: it must render back, and it must work."""
        now = self._clock.now()
        try:
            system = await opened.provider.identify()  # says best what is wrong with address, certificate or rotator
            credential = await self._current(plan, opened)
        except KeyturnError as error:
            await self.say(plan, error.problem)
            return patience(not_ready_since(plan.status), now, least=AGAIN, most=AT_REST)
        await self._cluster.hold_plan(plan, hold=True)
        plan = await self._cluster.plan(plan.key) or plan
        escrow = await self._cluster.escrow(plan.uid) or Escrow({}, {})
        kept = replace(escrow, values={**escrow.values, credential.id: credential.value})
        await self._cluster.save_escrow(plan, kept)
        await self._probes.arm(plan, {}, plan.spec.secret.name)
        status = plan.status.model_copy(update={"current_id": credential.id, "adopted_at": now, "system_id": system})
        words = f"{credential.id} is what the Secret holds, and it works; nothing was changed"
        status = readiness(status, plan, now, Problem(Reason.ADOPTED, words), ready=True)
        status = undrifted(status, opened.provider, plan.generation, now)
        await self._cluster.save_plan(plan, status)
        await self._cluster.announce(plan.key, "RotationPlan", plan.uid, Announcement(Reason.ADOPTED, words))
        return timedelta()

    async def _current(self, plan: PlanRecord, opened: Opened) -> Credential:
        spec, provider = plan.spec, opened.provider
        for key, template in spec.secret.keys.items():
            if unknown := unknown_placeholders(template):
                raise Misconfigured(
                    "UnknownPlaceholder", f"secret.keys.{key} names {{{unknown[0]}}}, which nobody fills"
                )
        secret = await self._cluster.secret(plan.secret_key)
        blocking = [
            *checklist.secret_problems(spec, secret),
            *checklist.plan_problems(spec, provider),
            *await checklist.shared(self._cluster, plan),
            *await rotators.problems(self._cluster, plan, opened.terms),
        ]
        if blocking or secret is None:
            raise Misconfigured(blocking[0].reason, blocking[0].message)
        try:
            login = extract(spec.secret.keys, secret.data, opened.place)
        except TemplateMismatch as error:
            raise Misconfigured("TemplateMismatch", f"secret.keys: {error}") from None
        credential = Credential(login.username, login.password)
        same = await provider.same_system(credential)
        if same is Sameness.DIFFERENT:
            raise Misconfigured(
                "WrongSystem",
                "the provider's endpoint is not the system that the Secret's credential opens; fix the provider",
            )
        trial = await provider.test(credential)
        if trial is not Trial.WORKS or same is Sameness.UNKNOWN:
            raise Misconfigured(
                "CurrentCredentialDoesNotWork", f"a login with the Secret's credential ({credential.id}): {trial}"
            )
        if blocked := (await provider.preflight(credential)).problems:
            raise Misconfigured(blocked[0].reason, blocked[0].message)
        return credential

    async def say(self, plan: PlanRecord, problem: Problem) -> None:
        """The plan cannot go on, and why. Written when it is news."""
        status = readiness(plan.status, plan, self._clock.now(), problem, ready=False)
        if status.model_dump() != plan.status.model_dump():
            await self._cluster.save_plan(plan, status)


def readiness(
    status: PlanStatus, plan: PlanRecord, now: datetime, why: Problem, *, ready: bool, busy: bool = False
) -> PlanStatus:
    """The plan's status with kstatus' three conditions saying this."""
    found = status.conditions
    states = ((ConditionType.READY, ready), (ConditionType.RECONCILING, busy), (ConditionType.STALLED, not ready))
    for type_, value in states:
        found = set_condition(found, type_, value, why.reason, why.message, plan.generation, now)
    return status.model_copy(update={"conditions": found, "observed_generation": plan.generation})


def _backend(found: ProviderRecord) -> ProviderHalf:
    if found.spec.backend is None:
        raise Misconfigured(
            "ProviderWithoutBackend", "the provider names no backend that this version knows; set one in its spec"
        )
    return found.spec.backend
