"""Signatures as the published examples give them: they bind both ends, for the server of the tests is ours too.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from keyturn.core.sealed import Sealed
from keyturn.providers.cloudflare_r2.signing import signed

LOGIN = ("AKIAIOSFODNN7EXAMPLE", Sealed("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"))
THEN = datetime(2013, 5, 24, tzinfo=UTC)
HOME = "https://examplebucket.s3.amazonaws.com"


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "signature"),
    [
        (
            "GET",
            "/test.txt",
            {"Range": "bytes=0-9"},
            b"",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "PUT",
            "/test$file.text",
            {"Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
            b"Welcome to Amazon S3.",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
    ],
)
def test_the_published_examples(method: str, path: str, headers: dict[str, str], body: bytes, signature: str) -> None:
    told = signed(method, HOME + path, headers, body, LOGIN, THEN, "us-east-1")
    assert told["authorization"].endswith(f"Signature={signature}")
