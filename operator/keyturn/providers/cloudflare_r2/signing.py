"""AWS Signature Version 4 for the few S3 requests that Keyturn makes. Pure.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, whose examples are a test.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import quote, urlsplit

from keyturn.core.sealed import Sealed

REGION = "auto"  # https://developers.cloudflare.com/r2/api/s3/api/


def signed(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    login: tuple[str, Sealed],
    now: datetime,
    region: str = REGION,
) -> dict[str, str]:
    """The headers to send. ``headers`` are signed as well; the URL's path stands as it shall be sent, unencoded."""
    parts, (key_id, secret) = urlsplit(url), login
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    digest = sha256(body).hexdigest()
    sent = {"host": parts.netloc, "x-amz-content-sha256": digest, "x-amz-date": stamp}
    sent |= {name.lower(): value.strip() for name, value in headers.items()}
    names = ";".join(sorted(sent))
    lines = "".join(f"{name}:{sent[name]}\n" for name in sorted(sent))
    request = "\n".join((method, quote(parts.path or "/", safe="/-_.~"), parts.query, lines, names, digest))
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    text = "\n".join(("AWS4-HMAC-SHA256", stamp, scope, sha256(request.encode()).hexdigest()))
    key = b"AWS4" + secret.reveal()
    for part in (stamp[:8], region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"Credential={key_id}/{scope},SignedHeaders={names},Signature={signature}"
    return sent | {"authorization": f"AWS4-HMAC-SHA256 {credential}"}
