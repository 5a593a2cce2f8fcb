"""Who asks, and that the answer is ours: the part of the protocol that every server needs. Standard library only.

request   keyturn-request-v1, timestamp, nonce, METHOD, path, sha256(body)     one a line, HMAC-SHA-256 under the key
answer    keyturn-answer-v1, nonce of the request, status, sha256(body)
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

WINDOW = 60  # seconds that a request's time may differ from ours
_NONCE = re.compile(r"[0-9a-f]{32}")


class Distrusted(Exception):
    """Not believed: code Unsigned, Stale or Replayed."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class Signatures:
    """Several keys may hold, the newest first: so a key can be changed without a gap."""

    keys: Sequence[bytes]
    _seen: dict[str, float] = field(default_factory=dict[str, float])

    def believe(self, headers: Mapping[str, str], method: str, path: str, body: bytes) -> bytes:
        """The key that signed this request, to answer with. Raises Distrusted."""
        timestamp, nonce = headers.get("Keyturn-Timestamp", ""), headers.get("Keyturn-Nonce", "")
        shown = headers.get("Keyturn-Signature", "").encode(errors="replace")
        digest = hashlib.sha256(body).hexdigest()
        words = ("keyturn-request-v1", timestamp, nonce, method, path, digest)
        signed = [key for key in self.keys if hmac.compare_digest(shown, _signature(key, words).encode())]
        if not signed or not _NONCE.fullmatch(nonce) or not timestamp.isascii() or not timestamp.isdigit():
            raise Distrusted("Unsigned")
        now = time.time()  # noqa: TID251 -- there is no clock to inject
        if abs(now - int(timestamp)) > WINDOW:
            raise Distrusted("Stale")
        self._seen = {one: until for one, until in self._seen.items() if until > now}
        if nonce in self._seen:
            raise Distrusted("Replayed")
        self._seen[nonce] = now + 2 * WINDOW
        return signed[0]

    def sign(self, key: bytes | None, nonce: str, status: int, body: bytes) -> str:
        """For the answer's header Keyturn-Signature; a refusal of an unknown asker is signed with the newest key."""
        words = ("keyturn-answer-v1", nonce, str(status), hashlib.sha256(body).hexdigest())
        return _signature(key or self.keys[0], words)


def _signature(key: bytes, words: Sequence[str]) -> str:
    return "v1=" + hmac.new(key, "\n".join(words).encode(errors="replace"), hashlib.sha256).hexdigest()
