"""What must hold at the end of a run: of rotation, Secret, escrow and principals, and of what is left behind."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from urllib.parse import urlsplit

from keyturn.api.base import API_VERSION
from support.furniture import ADMIN, PLAN, SECRET, UNMANAGED
from support.kube_api import Json, KubeApi

OURS = f"/apis/{API_VERSION}"


@dataclass(frozen=True)
class Ledger:
    """Where one shop's records are."""

    api: KubeApi
    namespace: str
    keeper: str  # the operator's namespace

    def ours(self, plural: str, name: str = "") -> str:
        """Path of one of our kinds."""
        return f"{OURS}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    async def plan(self) -> Json:
        return await self.api.must("GET", self.ours("rotationplans", PLAN))

    async def secret(self) -> dict[str, bytes]:
        """What pods consume."""
        found = await self.api.must("GET", f"/api/v1/namespaces/{self.namespace}/secrets/{SECRET}")
        return {key: base64.b64decode(value) for key, value in found["data"].items()}

    async def wrong(self, name: str, ends: str, before: dict[str, bytes], enabled: list[str]) -> list[str]:
        """Of the rotation of this name. ``before``: the Secret as it was then."""
        status = (await self.api.must("GET", self.ours("rotations", name)))["status"]
        plan, secret = await self.plan(), await self.secret()
        back = status["phase"] == "RolledBack"
        current = status["oldId"] if back else status["newId"]
        managed = {key: value for key, value in secret.items() if key not in UNMANAGED}
        login = urlsplit(secret["url"].decode())
        sentences = {
            f"it ended {status['phase']}, not {ends} ({status.get('turnedBack')})": status["phase"] == ends,
            f"the plan says {plan['status']['currentId']}": plan["status"]["currentId"] == current,
            f"enabled are {enabled}, not {current} alone": enabled == [current],
            "the Secret is not byte for byte as it was": secret == before or not back,
            "the Secret does not hold the current credential": login.username == current,
            "keys of the Secret that are not ours were changed": set(managed) == {"url"}
            and all(secret.get(key) == value.encode() for key, value in UNMANAGED.items()),
        }
        wrong = [sentence for sentence, holds in sentences.items() if not holds]
        uid = plan["metadata"]["uid"]
        return [*wrong, *await self._escrow(uid, current, login.password or ""), *await self._strays(uid)]

    async def _escrow(self, uid: str, current: str, password: str) -> list[str]:
        escrow = await self.api.read(f"/api/v1/namespaces/{self.keeper}/secrets/keyturn-escrow-{uid}")
        if escrow is None:
            return ["there is no escrow"]
        document = json.loads(base64.b64decode(escrow["data"]["escrow.json"]))
        values = {id_: base64.b64decode(value).decode() for id_, value in document["values"].items()}
        wrong = [] if set(values) == {current} else [f"the escrow holds {sorted(values)}, not {current} alone"]
        wrong += ["the escrow still holds the Secret as it was before"] if document["before"] else []
        return wrong if values.get(current) == password else [*wrong, "escrow and Secret hold different values"]

    async def _strays(self, uid: str) -> list[str]:
        """Secrets that nobody needs any more."""
        wanted = {
            self.namespace: {ADMIN, SECRET, f"keyturn-probe-{PLAN}"},
            self.keeper: {"keyturn-master", f"keyturn-escrow-{uid}"},
        }
        wrong: list[str] = []
        for namespace, names in wanted.items():
            found = {one["metadata"]["name"] for one in await self.api.items(f"/api/v1/namespaces/{namespace}/secrets")}
            wrong += [] if found == names else [f"Secrets in {namespace}: {sorted(found ^ names)} too many or missing"]
        return wrong
