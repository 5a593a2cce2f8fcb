r"""Signatures of requests and answers: HMAC-SHA-256 under the key that both sides hold. Pure.

    request   keyturn-request-v1 \n timestamp \n nonce \n METHOD \n path \n sha256(body)
    answer    keyturn-answer-v1  \n nonce of the request \n status \n sha256(body)

Each begins with a word of its own, so neither passes for the other. A server believes a request whose time is within
a minute of its own and whose nonce it has not seen since; an answer is bound to the nonce, which nobody knew before.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from keyturn.core.sealed import Sealed

TIMESTAMP: Final = "Keyturn-Timestamp"  # seconds since 1970, as digits
NONCE: Final = "Keyturn-Nonce"  # 32 hex digits
SIGNATURE: Final = "Keyturn-Signature"  # v1= and 64 hex digits, of requests and of answers
WINDOW_SECONDS: Final = 60  # either side of the server's clock; it remembers nonces for twice as long


def request_signature(key: Sealed, timestamp: str, nonce: str, method: str, path: str, body: bytes) -> str:
    """What stands in the header of a request. ``path`` as it is sent, from the first slash on."""
    return _signature(key, "keyturn-request-v1", timestamp, nonce, method, path, _digest(body))


def answer_signature(key: Sealed, nonce: str, status: int, body: bytes) -> str:
    """What must stand in the header of the answer to the request with this nonce."""
    return _signature(key, "keyturn-answer-v1", nonce, str(status), _digest(body))


def same(shown: str, expected: str) -> bool:
    """In constant time, whatever bytes a header may hold."""
    return hmac.compare_digest(shown.encode("utf-8", "surrogateescape"), expected.encode())


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _signature(key: Sealed, *lines: str) -> str:
    return "v1=" + hmac.new(key.reveal(), "\n".join(lines).encode(), hashlib.sha256).hexdigest()
