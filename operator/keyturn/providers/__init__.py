"""Backends. Each is a package that knows its own words; they do not know each other.

Adding one: a package beside ``postgres``, its field in ``api``, and a line in ``OpenProviders.open``.
"""

from __future__ import annotations

from keyturn.ports import Clock, Misconfigured, PlanRecord, Provider, ProviderRecord, SecretRecord
from keyturn.providers.postgres import open_postgres
from keyturn.providers.postgres.connections import OwnSessions


class OpenProviders:
    """Satisfies ``ports.Providers``. One for the process: it remembers which sessions were its own."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._own = clock, OwnSessions()

    def open(self, record: ProviderRecord, plan: PlanRecord, admin: SecretRecord) -> Provider:
        """The provider of a plan. Raises Misconfigured with the field and the way out."""
        if record.spec.postgres is not None:
            return open_postgres(record, plan, admin, self._own, self._clock)
        raise Misconfigured("NoBackend", f"{record.kind} {record.key.name} names no backend: set spec.postgres.")
