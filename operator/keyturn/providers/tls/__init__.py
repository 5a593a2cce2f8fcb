"""Certificates inside the cluster: verifiers trust a new authority before anybody presents what it signed."""

from __future__ import annotations

from keyturn.providers.opening import Opener
from keyturn.providers.tls.kinds import ABLE, TLS

OPENER = Opener(
    TLS,
    "keyturn.providers.tls.provider",
    ABLE,
    "a handshake with every presenter's pod that serves: which certificate it presents, verified against the new "
    "authority alone. Not seen: clients (their processes prove it), holders outside of the cluster, who is refused.",
    inside=True,
)
