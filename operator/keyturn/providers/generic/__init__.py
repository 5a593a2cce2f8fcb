"""A random value that clients and servers inside the cluster share: servers learn a new one before clients use it."""

from __future__ import annotations

from keyturn.providers.generic.kinds import GENERIC
from keyturn.providers.opening import Opener
from keyturn.providers.ring.kinds import ABLE

OPENER = Opener(
    GENERIC,
    "keyturn.providers.generic.provider",
    ABLE,
    "no list of sessions: every client's and every server's pod proves which values it holds, and idle is the time in "
    "which all clients proved the new one. Not seen: holders outside of the cluster, who is refused.",
    inside=True,
)
