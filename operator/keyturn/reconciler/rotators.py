"""Plans whose Secret is what a provider logs in with: there Keyturn itself is the consumer.

    orders-db ──provider A──► Secret of A ◄──rotates── plan R ──provider B──► break-glass

Who uses the Secret is found, not declared, and that Keyturn uses the new credential is seen: provider A is opened with
what the Secret holds. Asks only; nothing is kept between two looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keyturn.core.model import Kind, ObjectKey, Phase, PodProof, Problem, Reach, Verdict
from keyturn.core.rotation import FINISHED
from keyturn.core.rotators import circle
from keyturn.core.sealed import Sealed
from keyturn.ports import (
    Cluster,
    KeyturnError,
    Misconfigured,
    OutcomeUnknown,
    PlanRecord,
    Provider,
    ProviderRecord,
    Providers,
    SecretRecord,
    Unavailable,
)

_HARMLESS = frozenset({"", Phase.PREFLIGHT, *FINISHED})  # a rotation that changes nothing just now


@dataclass(frozen=True, slots=True)
class Served:
    """A provider that logs in with what a plan rotates, and the plans that use it: one at least."""

    provider: ProviderRecord
    plans: tuple[PlanRecord, ...]

    def __str__(self) -> str:
        return f"{self.provider.kind}/{self.provider.key.name}"


async def served(cluster: Cluster, plan: PlanRecord) -> tuple[Served, ...]:
    """The providers that log in with what this plan rotates. One that no plan uses logs in nowhere."""
    found = await cluster.providers(plan.secret_key)
    if not found:
        return ()
    everywhere = any(not provider.key.namespace for provider in found)
    plans = sorted(await cluster.plans(None if everywhere else plan.key.namespace), key=lambda one: one.key)
    using = ((provider, tuple(p for p in plans if _uses(p, provider))) for provider in found)
    return tuple(Served(provider, users) for provider, users in using if users)


async def turners(cluster: Cluster, terms: ProviderRecord) -> tuple[PlanRecord, ...]:
    """The plans that rotate what this provider logs in with."""
    if (admin := terms.admin_key) is None:
        return ()
    return tuple(p for p in await cluster.plans(admin.namespace) if not p.deleting and p.secret_key == admin)


# ---------------------------------------------------------------------------------------- what would never be right


async def problems(cluster: Cluster, plan: PlanRecord, terms: ProviderRecord) -> list[Problem]:
    """A circle of plans, or a rotator that would rotate itself: no credential is left that opens the way back."""
    found: list[Problem] = []
    if way := await _circle(cluster, plan, terms):
        told = " → ".join(map(str, (*way, way[0])))
        words = (
            f"each of these plans rotates the rotator of the one before: {told}. If one of them fails, none can mend it"
        )
        found.append(Problem("RotatorCycle", f"{words}; delete one, and keep the rotator that it uses as break-glass"))
    admin = None if terms.admin_key is None else await cluster.secret(terms.admin_key)
    if admin is not None and await _itself(cluster, plan, admin):
        words = "the provider logs in with a credential that this plan rotates, under another Secret's name"
        found.append(Problem("RotatorRotatesItself", f"{words}; give the provider a rotator that no plan touches"))
    return found


async def _circle(cluster: Cluster, plan: PlanRecord, terms: ProviderRecord) -> tuple[ObjectKey, ...]:
    turned_by: dict[ObjectKey, tuple[ObjectKey, ...]] = {}
    ahead = [(plan, terms)]
    while ahead:
        one, its = ahead.pop()
        found = await turners(cluster, its)
        turned_by[one.key] = tuple(p.key for p in found)
        for following in found:
            if following.key in turned_by:
                continue
            turned_by[following.key] = ()
            try:
                ahead.append((following, await cluster.provider(following)))
            except Misconfigured:
                continue  # it can rotate nothing
    return circle(plan.key, turned_by)


async def _itself(cluster: Cluster, plan: PlanRecord, admin: SecretRecord) -> bool:
    """By its user name; where it has none, by a value that stands in a key of its own in the Secret as well."""
    principals = plan.spec.backend.principals if plan.spec.backend is not None else frozenset[str]()
    if (user := admin.data.get("user")) is not None:
        return any(user == Sealed(name) for name in principals)
    secret = await cluster.secret(plan.secret_key)
    alone = [key for key, template in plan.spec.secret.keys.items() if template == "{password}"]
    return secret is not None and any(
        secret.data.get(key) in admin.data.values() for key in alone if key in secret.data
    )


# ------------------------------------------------------------------------------------------------- one after another


async def busy(cluster: Cluster, terms: ProviderRecord, found: Sequence[Served]) -> list[Problem]:
    """A rotator is not turned while it works, and does not work while it is turned.

    Two that leave Preflight in the same moment may miss each other. That harms nobody: every tick reads the Secret
    anew, and one that is refused concludes nothing. It is for people: one thing at a time, each wait by its name.
    """
    blocking: list[Problem] = []
    for plan in await turners(cluster, terms):
        if name := await _changing(cluster, plan):
            words = f"Rotation {name} of RotationPlan {plan.key} is changing what the provider logs in with"
            blocking.append(Problem("RotatorTurning", f"{words}; waiting until it has ended"))
    for one in found:
        for plan in one.plans:
            if name := await _changing(cluster, plan):
                words = (
                    f"Rotation {name} of RotationPlan {plan.key} is under way through {one}, whose login this changes"
                )
                blocking.append(Problem("RotatorInUse", f"{words}; waiting until it has ended"))
    return blocking


async def _changing(cluster: Cluster, plan: PlanRecord) -> str:
    """The name of its rotation that has changed something; one that is gone may have."""
    name = plan.status.active_rotation
    if not name:
        return ""
    rotation = await cluster.rotation(ObjectKey(plan.key.namespace, name))
    return name if rotation is None or rotation.status.phase not in _HARMLESS else ""


# --------------------------------------------------------------------------------------------------------- the proof


async def proofs(
    cluster: Cluster, providers: Providers, found: Sequence[Served], secret: SecretRecord | None, holds: Verdict
) -> tuple[PodProof, ...]:
    """What Keyturn itself proves, provider by provider: it logs in with what the Secret holds, or why it cannot.

    ``holds``: which credential that is.
    """
    return tuple([await _proof(cluster, providers, one, secret, holds) for one in found])


async def _proof(
    cluster: Cluster, providers: Providers, one: Served, secret: SecretRecord | None, holds: Verdict
) -> PodProof:
    if secret is None or holds not in (Verdict.NEW, Verdict.OLD):
        shown, why = Verdict.UNKNOWN, "its Secret holds neither credential"
    else:
        shown, why = await _logged_in(cluster, providers, one, secret, holds)
    return PodProof(
        namespace=one.provider.key.namespace,
        name=str(one),  # people must not look for a pod
        uid=one.provider.uid,
        consumer=str(one),
        evidence={Kind.SESSION: shown},
        proves=shown,
        why=why,
    )


async def _logged_in(
    cluster: Cluster, providers: Providers, one: Served, admin: SecretRecord, holds: Verdict
) -> tuple[Verdict, str]:
    """``holds`` if the provider's work can be done with it; OTHER if that is refused, UNKNOWN if nobody can tell."""
    why = ""
    for plan in one.plans:  # one that is wrong itself must not speak for the others
        try:
            provider = providers.open(await cluster.provider(plan), plan, admin)
        except KeyturnError as error:
            why = why or f"it cannot be opened for RotationPlan {plan.key}: {error.message}"
            continue
        try:
            return await _does_its_work(provider, holds)
        finally:
            await provider.close()
    return Verdict.UNKNOWN, why


async def _does_its_work(provider: Provider, holds: Verdict) -> tuple[Verdict, str]:
    """The declared system is reached, and its inventory can be read."""
    try:
        match await provider.reach():
            case Reach.DOWN:
                return Verdict.UNKNOWN, f"the backend could not be reached with the {holds.lower()} credential"
            case Reach.REFUSED:
                return Verdict.OTHER, f"the backend refuses its login with the {holds.lower()} credential"
            case Reach.UP:
                await provider.identify()
                await provider.inventory()
                return holds, ""
    except (Unavailable, OutcomeUnknown) as error:
        return Verdict.UNKNOWN, error.message
    except KeyturnError as error:
        return Verdict.OTHER, f"with the {holds.lower()} credential: {error.message}"


def unproven(found: Sequence[PodProof]) -> list[Problem]:
    """What does not work with the old credential would not show whether it works with the new one."""
    words = "does not work with the credential that the Secret holds, so nothing would show that it works with another"
    return [
        Problem("RotatorUnproven", f"{one.consumer} {words}: {one.why}")
        for one in found
        if one.proves is not Verdict.OLD
    ]


def _uses(plan: PlanRecord, provider: ProviderRecord) -> bool:
    ref, clustered = plan.spec.provider_ref, not provider.key.namespace
    here = clustered or plan.key.namespace == provider.key.namespace
    return here and (ref.kind, ref.name) == (provider.kind, provider.key.name)
