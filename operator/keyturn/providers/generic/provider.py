"""Opens shared values, and makes them of their alphabet."""

from __future__ import annotations

import secrets

from keyturn.core.sealed import Sealed
from keyturn.ports import Clock, Cluster, Misconfigured, PlanRecord, Probes, Provider, ProviderRecord, SecretRecord
from keyturn.providers.generic.kinds import SharedValue
from keyturn.providers.opening import Open
from keyturn.providers.ring.provider import RingProvider
from keyturn.providers.ring.settings import read_settings


def opened_inside(clock: Clock, cluster: Cluster, probes: Probes) -> Open:
    """Opens plans for the whole process."""
    _ = clock

    def open_(record: ProviderRecord, plan: PlanRecord, admin: SecretRecord) -> Provider:
        _ = admin
        settings = read_settings("generic", SharedValue, record, plan)
        wish = plan.spec.backend
        if not isinstance(wish, SharedValue) or settings.form.public:
            raise Misconfigured(
                "FormatDoesNotFit", "spec.generic has no public half that Jwks or CaBundle could publish."
            )
        return RingProvider(settings, cluster, probes, lambda: made(wish.alphabet, wish.length))

    return open_


def made(alphabet: str, length: int) -> Sealed:
    """So many signs, each drawn for itself."""
    return Sealed("".join(secrets.choice(alphabet) for _ in range(length)))
