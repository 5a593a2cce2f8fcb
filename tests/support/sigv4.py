"""Signature Version 4 as a service checks it, written from its description and not with the driver that signs.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import quote

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<day>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request, "
    r"SignedHeaders=(?P<headers>[^,]+), Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True)
class Signed:
    """What the header of a request says of whoever signed it."""

    key: str
    day: str
    region: str
    service: str
    headers: tuple[str, ...]
    signature: str


def read(authorization: str) -> Signed | None:
    """None: there is no signature of this kind."""
    found = _AUTHORIZATION.fullmatch(authorization)
    if found is None:
        return None
    headers = tuple(found["headers"].split(";"))
    return Signed(found["key"], found["day"], found["region"], found["service"], headers, found["signature"])


def holds(signed: Signed, secret: str, method: str, path: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Was this very request signed with this secret?"""
    chosen = "".join(f"{name}:{' '.join(headers.get(name, '').split())}\n" for name in signed.headers)
    canonical = "\n".join((method, quote(path or "/"), "", chosen, ";".join(signed.headers), sha256(body).hexdigest()))
    scope = f"{signed.day}/{signed.region}/{signed.service}/aws4_request"
    hashed = sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{headers.get('x-amz-date', '')}\n{scope}\n{hashed}"
    key = f"AWS4{secret}".encode()
    for part in (signed.day, signed.region, signed.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.compare_digest(hmac.new(key, text.encode(), "sha256").hexdigest(), signed.signature)
