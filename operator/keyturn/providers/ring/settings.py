"""What a plan with a ring and its provider say, checked against each other. Touches no cluster."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from keyturn.api.labels import acceptors_of
from keyturn.api.plan_kinds import Consumers, SecretTarget
from keyturn.core.model import ConsumerRef, ObjectKey
from keyturn.ports import Misconfigured, PlanRecord, ProviderRecord
from keyturn.providers.allowing import matches
from keyturn.providers.ring.kinds import Format, RingHalf


@dataclass(frozen=True, slots=True)
class Settings:
    """One plan's ring, ready to use."""

    field: str  # of the plan's spec, for people
    plan: PlanRecord
    acceptors: PlanRecord  # the acceptors as if they were a plan: their own restarts, probe key and annotation
    wish: RingHalf

    @property
    def secret(self) -> ObjectKey:
        """The acceptors' Secret."""
        return ObjectKey(self.plan.key.namespace, self.wish.acceptors.secret.name)

    @property
    def key(self) -> str:
        """The key of it that holds the ring."""
        return self.wish.acceptors.secret.key

    @property
    def form(self) -> Format:
        """How the ring is written."""
        return self.wish.form

    @property
    def listed(self) -> tuple[ConsumerRef, ...]:
        """Workloads that must be there."""
        namespace = self.plan.key.namespace
        return tuple(ConsumerRef(one.kind, namespace, one.name) for one in self.wish.acceptors.listed)

    @property
    def discover(self) -> bool:
        """And every other that refers to the Secret?"""
        return self.wish.acceptors.discover == "SecretReference"

    @property
    def soak(self) -> timedelta:
        """How long the plan watches that the old key is idle."""
        return self.plan.spec.verify.soak

    @property
    def system(self) -> str:
        """The name that the plan remembers."""
        return f"Secret {self.secret}, key {self.key}"

    @property
    def where(self) -> str:
        """The same in a sentence."""
        return f"key {self.key} of Secret {self.secret.name}"


def read_settings(field: str, half: type[RingHalf], record: ProviderRecord, plan: PlanRecord) -> Settings:
    """Everything the provider needs, or Misconfigured with the field and the way out."""
    wish = plan.spec.backend
    if not isinstance(wish, half) or record.spec.backend is None:
        raise Misconfigured(
            "BackendMismatch", f"Plan and provider must both have spec.{field}: one names another backend."
        )
    name = wish.acceptors.secret.name
    if name == plan.spec.secret.name:
        raise Misconfigured(
            "AcceptorsNotApart",
            f"spec.{field}.acceptors.secret.name is the Secret that presenters consume: acceptors must know a new key "
            "before anybody presents it, so give them a Secret of their own. One workload may use both.",
        )
    if not matches(name, record.spec.allow.secrets):
        raise Misconfigured("SecretNotAllowed", f"the provider's allow.secrets does not list {name}; ask its owner")
    return Settings(field, plan, _as_plan(plan, wish), wish)


def _as_plan(plan: PlanRecord, wish: RingHalf) -> PlanRecord:
    """A plan of the acceptors: everything that proves and restarts consumers of a Secret works for it."""
    listed = [{"name": one.name, "allowUnavailable": one.allow_unavailable} for one in wish.acceptors.listed]
    spec = plan.spec.model_copy(
        update={
            "secret": SecretTarget(name=wish.acceptors.secret.name, keys={wish.acceptors.secret.key: "{password}"}),
            "consumers": Consumers.model_validate({"discover": wish.acceptors.discover, "list": listed}),
        }
    )
    key = ObjectKey(plan.key.namespace, acceptors_of(plan.key.name))
    return replace(plan, key=key, uid=acceptors_of(plan.uid), spec=spec)
