"""Everything Keyturn may ever do to the world, as values: idempotent, repeated until seen, carried out elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from keyturn.core.model import ConsumerRef, Side


@dataclass(frozen=True, slots=True)
class EscrowCredential:
    """Make the new value, if there is none yet, and keep both values safe before any backend call."""


@dataclass(frozen=True, slots=True)
class EnsureCredential:
    """The credential exists at the backend, enabled, with the escrowed value and the old one's rights."""

    side: Side


@dataclass(frozen=True, slots=True)
class WriteSecret:
    """The consumers' Secret holds this credential: compare-and-set, managed keys only."""

    side: Side


@dataclass(frozen=True, slots=True)
class RestartConsumer:
    """The consumer's pod template carries this generation, so that its pods are replaced."""

    ref: ConsumerRef
    generation: int


@dataclass(frozen=True, slots=True)
class RefreshMounts:
    """Touch the pods of consumers that reload, so that the kubelet renews their files now; tell those that must be."""

    consumers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DisableCredential:
    """Logins are refused from now on; reversible."""

    side: Side


@dataclass(frozen=True, slots=True)
class ContainCredential:
    """NEW exists and OLD is refused, with these strangers, in one transaction; then all their sessions are ended."""

    strangers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EnableCredential:
    """Logins work again, with the escrowed value."""

    side: Side


@dataclass(frozen=True, slots=True)
class EndSessions:
    """End what is left of a disabled credential's sessions."""

    side: Side


@dataclass(frozen=True, slots=True)
class DeleteCredential:
    """The credential can never be used again. Irreversible: named in two rows of the tables only."""

    side: Side


Effect = (
    EscrowCredential
    | EnsureCredential
    | WriteSecret
    | RestartConsumer
    | RefreshMounts
    | DisableCredential
    | ContainCredential
    | EnableCredential
    | EndSessions
    | DeleteCredential
)
