"""Signing and encryption keys that pods of the cluster share: verifiers learn a key before anybody signs with it."""

from __future__ import annotations

from keyturn.providers.keyring.kinds import KEYRING
from keyturn.providers.opening import Opener
from keyturn.providers.ring.kinds import ABLE

OPENER = Opener(
    KEYRING,
    "keyturn.providers.keyring.provider",
    ABLE,
    "no list of sessions: every pod that signs and every pod that verifies proves which keys it holds, and idle is the "
    "time in which all signers proved the new one; where acceptors count the tokens they find good, use is seen (the "
    "table shows one that does not). Not seen: holders outside of the cluster, who is refused.",
    inside=True,
)
