"""How a backend's package is opened: what it must offer to be found, and the one place that opens any of them.

Backends do not know each other. A package (or a module) beside this file that has an ``OPENER`` is a backend; its
driver is imported when the first plan asks for it, so an operator without that driver serves all others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from keyturn.api.backends import Backend, forget, register
from keyturn.core.model import ObjectKey
from keyturn.ports import (
    Capabilities,
    Clock,
    Cluster,
    Misconfigured,
    PlanRecord,
    Probes,
    Provider,
    ProviderRecord,
    SecretRecord,
)

_NO_ADMIN = SecretRecord(ObjectKey("", ""), "", "", {}, {})
Open = Callable[[ProviderRecord, PlanRecord, SecretRecord], Provider]
"""Raises Misconfigured with the field and the way out."""


@dataclass(frozen=True, slots=True)
class Opener:
    """A backend that can be opened."""

    backend: Backend
    module: str  # imported at the first use; its ``opened_by(clock)`` gives an ``Open`` that serves the whole process
    able: Capabilities  # before any server was asked
    proof: str  # what its word about sessions rests on, and what it cannot see; for docs/providers/index.md
    inside: bool = False  # no server: pods judge. Then the module has ``opened_inside(clock, cluster, probes)`` instead
    extra: str = ""  # of this distribution, that brings the driver


_OPENERS: dict[str, Opener] = {}


def offer(opener: Opener) -> None:
    """From now on plans and providers may name this backend, and it can be opened."""
    register(opener.backend)
    _OPENERS[opener.backend.field] = opener


def withdraw(opener: Opener) -> None:
    """The opposite, for tests that bring a backend of their own."""
    forget(opener.backend)
    del _OPENERS[opener.backend.field]


def offered() -> tuple[Opener, ...]:
    """All of them, by field."""
    return tuple(_OPENERS[field] for field in sorted(_OPENERS))


class OpenProviders:
    """Satisfies ``ports.Providers``. One for the process: backends remember here which sessions were their own."""

    def __init__(self, clock: Clock, cluster: Cluster, probes: Probes) -> None:
        self._clock, self._cluster, self._probes = clock, cluster, probes
        self._open: dict[str, Open] = {}

    def open(self, record: ProviderRecord, plan: PlanRecord, admin: SecretRecord | None) -> Provider:
        """The provider of a plan. Raises Misconfigured with the field and the way out."""
        for field, opener in _OPENERS.items():
            if isinstance(record.spec.backend, opener.backend.in_provider):
                if field not in self._open:
                    self._open[field] = self._opened(opener)
                return self._open[field](record, plan, admin or _NO_ADMIN)
        raise Misconfigured(
            "NoBackend", f"{record.kind} {record.key.name} names no backend: set one of its spec's backend fields."
        )

    def _opened(self, opener: Opener) -> Open:
        module = _imported(opener)
        if opener.inside:
            return module.opened_inside(self._clock, self._cluster, self._probes)
        return module.opened_by(self._clock)


def _imported(opener: Opener) -> ModuleType:
    """Raises Misconfigured if the backend's driver is not installed here."""
    try:
        return import_module(opener.module)
    except ModuleNotFoundError:
        field = opener.backend.field
        raise Misconfigured(
            "DriverMissing",
            f"This operator was installed without the driver for spec.{field}: use an image with keyturn"
            f"[{opener.extra or field}].",
        ) from None
