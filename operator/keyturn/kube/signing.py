"""Requests for certificates that cert-manager signs: asked for, looked at, removed. Decides nothing, holds no key.

https://cert-manager.io/docs/usage/certificaterequest/ A request is for one certificate and is never changed. What it
says of failures is for people to read there: nothing of its messages is repeated.
"""

from __future__ import annotations

import base64
from typing import Final

from keyturn.core.model import ObjectKey
from keyturn.kube import paths
from keyturn.kube.client import KubeClient
from keyturn.kube.raw import Json, listed, text
from keyturn.ports import SigningAnswer, SigningWish, Unavailable

_REFUSING: Final = ("Denied", "InvalidRequest")  # conditions; a Ready that is False may say Denied or Failed


class SigningRequests:
    """CertificateRequests of ours."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def read(self, key: ObjectKey) -> SigningAnswer | None:
        """None if there is none, or no cert-manager."""
        found = await self._client.read(paths.signing(key))
        return None if found is None else answer_of(found)

    async def ask(self, key: ObjectKey, wish: SigningWish) -> None:
        """Raises Conflict where one of that name exists."""
        await self._client.create(paths.signing(ObjectKey(key.namespace, "")), body_of(key, wish))

    async def forget(self, key: ObjectKey) -> None:
        """One that is gone is success."""
        path = paths.signing(key)
        found = await self._client.read(path)
        if found is not None:
            await self._client.delete(path, text(found, "metadata", "uid"))


def body_of(key: ObjectKey, wish: SigningWish) -> Json:
    """As the API server is sent it."""
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "CertificateRequest",
        "metadata": {"name": key.name, "namespace": key.namespace},
        "spec": {
            "request": base64.b64encode(wish.csr).decode(),
            "issuerRef": {"name": wish.issuer, "kind": wish.issuer_kind, "group": "cert-manager.io"},
            "usages": ["digital signature", *wish.usages],
            "duration": f"{int(wish.validity.total_seconds())}s",
        },
    }


def answer_of(found: Json) -> SigningAnswer:
    """Signed, refused, or neither yet. Raises Unavailable if it cannot be read."""
    csr = _bytes(found, "spec", "request")
    refused = next((why for one in listed(found, "status", "conditions") if (why := _refusal(one))), "")
    if refused:
        return SigningAnswer(csr, refused=refused)
    ready = any(
        (text(one, "type"), text(one, "status")) == ("Ready", "True") for one in listed(found, "status", "conditions")
    )
    if not ready:
        return SigningAnswer(csr)
    return SigningAnswer(csr, _bytes(found, "status", "certificate"), _bytes(found, "status", "ca"))


def _refusal(condition: Json) -> str:
    kind, status, reason = (text(condition, name) for name in ("type", "status", "reason"))
    if kind in _REFUSING and status == "True":
        return kind
    return reason if (kind, status) == ("Ready", "False") and reason in ("Denied", "Failed") else ""


def _bytes(found: Json, *path: str) -> bytes:
    try:
        return base64.b64decode(text(found, *path), validate=True)
    except ValueError:
        raise Unavailable("SigningUnreadable", "A signed certificate could not be decoded; looking again.") from None
