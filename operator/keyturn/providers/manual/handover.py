"""The Secret in which people hand over a credential and say what they did. It is read, and never written.

    username, password                       what was made last
    manual.keyturn.dev/disabled: key_1       ids that somebody disabled in the console
    manual.keyturn.dev/deleted: key_1        and deleted there

Nobody's word is taken alone: a credential counts as disabled only if the system refuses it, too (``provider``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from keyturn.core.model import Existence, ObjectKey
from keyturn.core.sealed import Sealed, Unsuitable
from keyturn.ports import Awaited, Credential, Misconfigured, SecretRecord

DISABLED: Final = "manual.keyturn.dev/disabled"
DELETED: Final = "manual.keyturn.dev/deleted"


class Reads(Protocol):
    """What is needed of the cluster."""

    async def secret(self, key: ObjectKey) -> SecretRecord | None:
        """A Secret by name, or None if there is none."""
        ...


@dataclass(frozen=True, slots=True)
class HandOver:
    """What it says now."""

    key: ObjectKey
    credential: Credential | None
    disabled: frozenset[str]
    deleted: frozenset[str]
    missing: bool = False

    def state(self, id_: str) -> Existence:
        """On people's word."""
        if id_ in self.deleted:
            return Existence.RETIRED
        return Existence.DISABLED if id_ in self.disabled else Existence.ACTIVE

    def fresh(self, current_id: str) -> Credential | None:
        """What was handed over and is not the current one, nor closed already."""
        made = self.credential
        if made is None or made.id == current_id or self.state(made.id) is not Existence.ACTIVE:
            return None
        return made

    def say(self, word: str, ids: frozenset[str]) -> str:
        """The command by which a person says so."""
        value = ",".join(sorted(ids))
        return f"kubectl annotate -n {self.key.namespace} secret {self.key.name} --overwrite {word}={value}"


async def read(cluster: Reads, key: ObjectKey) -> HandOver:
    """Raises the ports' errors."""
    found = await cluster.secret(key)
    if found is None:
        return HandOver(key, None, frozenset(), frozenset(), missing=True)
    return HandOver(key, _credential(found), _listed(found, DISABLED), _listed(found, DELETED))


def mint_please(key: ObjectKey, system: str, current_id: str) -> Awaited:
    """Somebody has to make one."""
    like = f" with the rights of {current_id}" if current_id else ""
    return Awaited(
        "AwaitingPerson",
        f"make a second credential{like} in the console of {system}, then hand it over: kubectl create secret generic "
        f"-n {key.namespace} {key.name} --from-literal=username=ITS-ID --from-file=password=/dev/stdin",
    )


def _credential(found: SecretRecord) -> Credential | None:
    if "username" not in found.data or "password" not in found.data:
        return None
    try:
        id_ = found.data["username"].reveal_text().strip()
        value = Sealed(found.data["password"].reveal_text().strip())  # consoles and editors add a newline
    except Unsuitable:
        raise Misconfigured(
            "HandOverUnreadable", f"Secret {found.key} must hold username and password as text."
        ) from None
    return Credential(id_, value) if id_ and value.reveal() else None


def _listed(found: SecretRecord, annotation: str) -> frozenset[str]:
    return frozenset(id_.strip() for id_ in found.annotations.get(annotation, "").split(",") if id_.strip())
