"""Keys for one plan and one purpose, all from one master key in the operator's namespace. Nothing else may hold it.

HKDF (RFC 5869, SHA-256): a key that leaves the operator, as the probes' does, says nothing about any other.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from keyturn.core.model import ObjectKey
from keyturn.core.sealed import Sealed
from keyturn.ports import Misconfigured, PlanRecord, SecretRecord

MASTER_SECRET = "keyturn-master"  # noqa: S105  # a Secret's name
_FIELD = "key"
_BYTES = 32


class Purpose(StrEnum):
    """What a derived key is for."""

    PROBE = "probe"


class OwnSecrets(Protocol):
    """Small Secrets of our own; the cluster adapter provides it."""

    async def secret(self, key: ObjectKey) -> SecretRecord | None:
        """Consistent; None if it does not exist."""
        ...

    async def apply_secret(self, namespace: str, name: str, data: Mapping[str, bytes]) -> None:
        """Make it, or bring it up to date."""
        ...


def derived_key(master: Sealed, plan: PlanRecord, purpose: Purpose) -> Sealed:
    """32 bytes for this plan, its namespace and this purpose. A plan made anew under its old name has new ones."""
    parts = ("keyturn", "v1", plan.key.namespace, plan.uid, purpose)
    info = b"".join(len(part).to_bytes(2, "big") + part.encode() for part in parts)
    return Sealed(HKDF(hashes.SHA256(), _BYTES, salt=None, info=info).derive(master.reveal()))


class Keyring:
    """Derives keys; makes the master key the first time it is needed. Used under the lease only."""

    def __init__(self, secrets_: OwnSecrets, namespace: str) -> None:
        self._secrets = secrets_
        self._where = ObjectKey(namespace, MASTER_SECRET)
        self._master: Sealed | None = None
        self._making = asyncio.Lock()

    async def key(self, plan: PlanRecord, purpose: Purpose) -> Sealed:
        """The plan's key for this purpose.

        Raises:
            Misconfigured: the master Secret is there but holds something else.
        """
        async with self._making:
            if self._master is None:
                self._master = await self._read() or await self._make()
        return derived_key(self._master, plan, purpose)

    async def _make(self) -> Sealed:
        """What counts is what is read back: two operators that start at once must end with the same key."""
        fresh = secrets.token_bytes(_BYTES)
        await self._secrets.apply_secret(self._where.namespace, self._where.name, {_FIELD: fresh})
        return await self._read() or Sealed(fresh)

    async def _read(self) -> Sealed | None:
        record = await self._secrets.secret(self._where)
        if record is None:
            return None
        master = record.data.get(_FIELD)
        if master is None or len(master.reveal()) != _BYTES:
            raise Misconfigured(
                "MasterKeyDamaged",
                f"Secret {self._where} holds no master key; delete it, and Keyturn makes a new one: nothing is lost",
            )
        return master
