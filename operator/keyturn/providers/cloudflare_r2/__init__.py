"""Cloudflare R2: account API tokens as S3 key pairs; a second token with identical policies, never ``roll``.

The package knows R2's keys and rights; nothing outside it does.
"""

from __future__ import annotations

from keyturn.providers.cloudflare_r2.kinds import ABLE, CLOUDFLARE_R2
from keyturn.providers.opening import Opener

OPENER = Opener(
    CLOUDFLARE_R2,
    "keyturn.providers.cloudflare_r2.provider",
    ABLE,
    "nobody lists who uses a key pair. `last_used_on` of a token can show use, never idleness. "
    "Not seen: refused requests, users outside the cluster.",
)
