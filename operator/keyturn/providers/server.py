"""What plan, provider and admin Secret say of any server, read the same way by all backends. Touches none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

from keyturn.api.backends import ServerEndpoint, TakingTurns
from keyturn.core.sealed import Sealed
from keyturn.ports import Endpoint, Misconfigured, PlanRecord
from keyturn.providers.admin_secret import AdminSecret


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """One plan on one server, ready to use. Backends add what is theirs."""

    plan: str  # namespace/name
    owner: str
    slots: tuple[str, ...]
    admin: Endpoint  # where the rotator logs in
    user: str
    password: Sealed
    authority: str  # PEM; empty only if insecure
    endpoints: tuple[Endpoint, ...]  # where consumers log in
    insecure: bool
    system: str  # as first seen by the plan; "" before that

    @property
    def shared(self) -> dict[str, Any]:
        """For a backend's own settings, which have all of this."""
        return {one.name: getattr(self, one.name) for one in fields(ServerSettings)}

    @property
    def principals(self) -> tuple[str, ...]:
        """All that this plan may touch."""
        return (self.owner, *self.slots)

    @property
    def nodes(self) -> tuple[Endpoint, ...]:
        """Every server that is asked, each once; the rotator's own comes first."""
        return each_once((self.admin, *self.endpoints))


class ServerWords(Protocol):
    """What a provider says of any server."""

    @property
    def endpoints(self) -> Sequence[ServerEndpoint]:
        """Where consumers log in."""
        ...

    @property
    def insecure(self) -> bool:
        """May there be no TLS?"""
        ...


def read_server(
    field: str, server: ServerWords, wanted: TakingTurns, plan: PlanRecord, words: AdminSecret, port: int
) -> ServerSettings:
    """``port``: the rotator's, where the Secret names none. Raises Misconfigured with the field and the way out."""
    return ServerSettings(
        plan=str(plan.key),
        owner=wanted.owner,
        slots=tuple(wanted.slots),
        admin=words.endpoint(port),
        user=words.text("user"),
        password=words.sealed("password"),
        authority=words.text("ca.crt", needed=not server.insecure),
        endpoints=words.admitted(f"{field}.endpoints", places(server.endpoints)),
        insecure=server.insecure,
        system=plan.status.system_id,
    )


def mismatch(field: str) -> Misconfigured:
    """Plan and provider name different backends."""
    return Misconfigured(
        "BackendMismatch", f"Plan and provider must both have spec.{field}: one names another backend."
    )


def places(named: Sequence[ServerEndpoint]) -> list[Endpoint]:
    """Endpoints of a provider, as they are called."""
    return [Endpoint(one.name, one.host, one.port) for one in named]


def each_once(endpoints: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """The same server may have several names here."""
    return tuple({(one.host, one.port): one for one in endpoints}.values())
