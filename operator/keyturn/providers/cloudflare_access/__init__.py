"""Cloudflare Access: service tokens; a second one in the same policies, so that two client ids can be told apart.

The package knows Access' tokens and policies; nothing outside it does.
"""

from __future__ import annotations

from keyturn.providers.cloudflare_access.kinds import ABLE, CLOUDFLARE_ACCESS
from keyturn.providers.opening import Opener

OPENER = Opener(
    CLOUDFLARE_ACCESS,
    "keyturn.providers.cloudflare_access.provider",
    ABLE,
    "nobody lists who uses a service token. `last_seen_at` can show use, never idleness. "
    "Not seen: refused requests, cookies of earlier ones.",
)
