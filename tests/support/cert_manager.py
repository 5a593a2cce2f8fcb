"""CertificateRequests as an API server keeps them, and what cert-manager makes of them: signed, late, or refused.

Speaks what ``kube.signing`` asks of a client, in the JSON of cert-manager.io/v1. Signs as its CA issuer does: names
from the request, usages and duration from the spec. Written from its documentation: cert-manager itself runs nowhere.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from keyturn.core.model import ObjectKey
from keyturn.kube.signing import SigningRequests, body_of
from keyturn.ports import Conflict, SigningAnswer, SigningWish
from keyturn.providers.tls.material import Signer, key_identifier

Json = dict[str, Any]
USAGES = {"server auth": ExtendedKeyUsageOID.SERVER_AUTH, "client auth": ExtendedKeyUsageOID.CLIENT_AUTH}
REFUSALS: dict[str, list[Json]] = {
    "Denied": [
        {"type": "Denied", "status": "True", "reason": "policy.cert-manager.io"},
        {"type": "Ready", "status": "False", "reason": "Denied"},
    ],
    "InvalidRequest": [
        {"type": "Approved", "status": "True"},
        {"type": "InvalidRequest", "status": "True"},
        {"type": "Ready", "status": "False", "reason": "Failed"},
    ],
    "Failed": [
        {"type": "Approved", "status": "True"},
        {"type": "Ready", "status": "False", "reason": "Failed"},
    ],
}


@dataclass
class CertManager:
    """The collection, and the controller behind it."""

    signer: Signer
    now: Callable[[], datetime]
    looks: int = 0  # so often a request is found unsigned
    refuses: str = ""
    tells_root: bool = True
    names: list[x509.GeneralName] | None = None  # signs for these instead
    requests: dict[str, Json] = field(default_factory=dict[str, Json])
    made: list[Json] = field(default_factory=list[Json])
    seen: dict[str, int] = field(default_factory=dict[str, int])

    # ------------------------------------------------------------------------------------- what a client asks for

    async def read(self, path: str) -> Json | None:
        found = self.requests.get(path)
        if found is None:
            return None
        self.seen[path] = self.seen.get(path, 0) + 1
        return {**found, "status": self._status(found, self.seen[path])}

    async def create(self, path: str, body: Json) -> Json:
        self.put(path, body)
        return body

    def put(self, path: str, body: Json) -> None:
        where = f"{path}/{body['metadata']['name']}"
        if where in self.requests:
            raise Conflict("Exists", "there is one of that name")
        self.requests[where] = {**body, "metadata": {**body["metadata"], "uid": f"uid-{len(self.made)}"}}
        self.made.append(self.requests[where])

    async def delete(self, path: str, uid: str) -> None:
        if self.requests.get(path, {}).get("metadata", {}).get("uid") == uid:
            del self.requests[path]
            self.seen.pop(path, None)

    # --------------------------------------------------------------------------------------------- the controller

    def _status(self, found: Json, looks: int) -> Json:
        if self.refuses:
            return {"conditions": REFUSALS[self.refuses]}
        if looks <= self.looks:
            return {} if looks == 1 else {"conditions": [{"type": "Ready", "status": "False", "reason": "Pending"}]}
        chain = [one for one in self.signer.between if one != self.signer.root]
        pem = b"".join(one.public_bytes(serialization.Encoding.PEM) for one in (self._signed(found["spec"]), *chain))
        root = self.signer.root.public_bytes(serialization.Encoding.PEM)
        told = {"ca": base64.b64encode(root).decode()} if self.tells_root else {}
        approved = {"type": "Approved", "status": "True"}
        ready = {"type": "Ready", "status": "True", "reason": "Issued"}
        return {"conditions": [approved, ready], "certificate": base64.b64encode(pem).decode(), **told}

    def _signed(self, spec: Json) -> x509.Certificate:
        csr = x509.load_pem_x509_csr(base64.b64decode(spec["request"]))
        assert csr.is_signature_valid
        assert spec["duration"].endswith("s")
        above = x509.SubjectKeyIdentifier(key_identifier(self.signer.certificate))
        names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        usages = [USAGES[usage] for usage in spec["usages"] if usage in USAGES]
        now = self.now()
        builder = (
            x509.CertificateBuilder().subject_name(csr.subject).issuer_name(self.signer.certificate.subject)
            .public_key(csr.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now).not_valid_after(now + timedelta(seconds=int(spec["duration"][:-1])))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(above), critical=False)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.SubjectAlternativeName(self.names or [*names.value]), critical=names.critical)
        )  # fmt: skip
        return builder.sign(self.signer.key, hashes.SHA256())

    # ------------------------------------------------------------------------------------------ the cluster's port

    async def signing(self, key: ObjectKey) -> SigningAnswer | None:
        return await SigningRequests(self).read(key)  # type: ignore[arg-type]  # as much of a client as it asks for

    async def ask_to_sign(self, key: ObjectKey, wish: SigningWish) -> None:
        assert body_of(key, wish)["kind"] == "CertificateRequest"
        await SigningRequests(self).ask(key, wish)  # type: ignore[arg-type]  # the same

    async def forget_signing(self, key: ObjectKey) -> None:
        await SigningRequests(self).forget(key)  # type: ignore[arg-type]  # the same
