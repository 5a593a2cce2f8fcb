"""Account API tokens and R2's S3 endpoint, as documented and as the incident of 21 March 2025 showed them.

https://developers.cloudflare.com/api/resources/accounts/subresources/tokens/ and .../r2/api/tokens/. The endpoint
checks Signature Version 4 by itself, with nothing of Keyturn's. Calls about metadata (HEAD, lists) are answered for
whoever once had a token, as they were in the incident; writes and reads are not.
"""

from __future__ import annotations

import copy
import hashlib
import hmac
import random
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from support.cloudflare_server import ACCOUNT, CloudflareServer, Delays, Json, Reply, Request, refused, told

READ, WRITE = "6a018a9f2fc74eb6b293b0c548f38b39", "2efd5506f9c8494dacb1fa10a3e7d5b6"
NAMES = {READ: "Workers R2 Storage Bucket Item Read", WRITE: "Workers R2 Storage Bucket Item Write",
         "1" * 32: "Account API Tokens Write", "2" * 32: "Workers R2 Storage Write", "3" * 32: "DNS Read"}  # fmt: skip
_AUTH = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/(\w+)/s3/aws4_request, ?SignedHeaders=([^,]+), ?Signature=(\w+)"
)


def resource(bucket: str, jurisdiction: str = "default") -> str:
    return f"com.cloudflare.edge.r2.bucket.{ACCOUNT}_{jurisdiction}_{bucket}"


def policies(*buckets: str, groups: tuple[str, ...] = (READ, WRITE), jurisdiction: str = "default") -> list[Json]:
    resources = {resource(bucket, jurisdiction): "*" for bucket in buckets}
    return [{"effect": "allow", "resources": resources, "permission_groups": [{"id": group} for group in groups]}]


@dataclass
class Issued:
    """A token, the value that is never told again, and what it was when."""

    record: Json
    value: str
    history: list[tuple[datetime, str]] = field(default_factory=list)
    uses: int = 0

    @property
    def secret(self) -> str:
        return hashlib.sha256(self.value.encode()).hexdigest()


@dataclass(frozen=True)
class Logged:
    """One line of the storage's own log: which key asked for what, and what came of it."""

    at: datetime
    suffix: str  # the last eight characters of the access key id
    method: str
    path: str
    status: int


@dataclass
class TokenDesk:
    """``/accounts/<id>/tokens`` and ``/s3``."""

    server: CloudflareServer
    buckets: tuple[str, ...] = ("orders-files", "staging-files")
    dates_uses: bool = True  # last_used_on
    drops_condition: bool = False  # a careless server: a PUT without a condition drops it anyway
    tokens: dict[str, Issued] = field(default_factory=dict)
    buried: dict[str, Issued] = field(default_factory=dict)
    log: list[Logged] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)
    dice: random.Random = field(default_factory=lambda: random.Random(2025))  # a page shows what a run printed

    def __post_init__(self) -> None:
        self.delays = Delays(self.server.clock)
        self.rotator = self.issue("keyturn-rotator", [_whole_account("1" * 32)])
        self.server.routes[f"/client/v4/accounts/{ACCOUNT}/tokens"] = self._api
        self.server.routes["/s3/"] = self._s3

    # ------------------------------------------------------------------------------------------ what people do

    def issue(self, name: str, rights: list[Json], **more: Any) -> Issued:
        """A token, as the dashboard makes one."""
        id_ = f"{self.dice.getrandbits(128):032x}"
        now = self.server.clock.now()
        value = f"cfat_{self.dice.getrandbits(240):060x}"
        record: Json = {"id": id_, "name": name, "status": "active", "issued_on": _time(now), "modified_on": _time(now),
                        "policies": _as_told(rights), **more}  # fmt: skip
        made = Issued(record, value, [(now, "active")])
        self.tokens[id_] = made
        return made

    def set_status(self, id_: str, status: str) -> None:
        """By hand."""
        self.tokens[id_].record["status"] = status
        self.tokens[id_].history.append((self.server.clock.now(), status))

    # ------------------------------------------------------------------------------------------------- the API

    def _api(self, request: Request) -> Reply:
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        caller = next((one for one in self.tokens.values() if one.value == bearer), None)
        if caller is None or caller.record["status"] != "active":
            return refused(401, 1000)
        rest = request.path.partition("/tokens")[2].strip("/")
        if (request.method, rest) == ("GET", "verify"):
            return told({"id": caller.record["id"], "status": caller.record["status"]})
        if caller is not self.rotator:
            return refused(403, 9109)
        return self._for_the_rotator(request, rest)

    def _for_the_rotator(self, request: Request, rest: str) -> Reply:
        match (request.method, rest):
            case ("GET", ""):
                reply = self._list(request)
            case ("POST", ""):
                reply = self._create(request.json)
            case (_, id_) if id_ not in self.tokens:
                reply = refused(404, 7003)
            case ("PUT", id_):
                reply = self._update(self.tokens[id_], request.json)
            case ("DELETE", id_):
                self.buried[id_] = self.tokens.pop(id_)
                self.buried[id_].history.append((self.server.clock.now(), "deleted"))
                reply = told({"id": id_})
            case (_, id_):
                reply = told(self.tokens[id_].record)
        return reply

    def _list(self, request: Request) -> Reply:
        page, size = int(request.query.get("page", 1)), min(50, int(request.query.get("per_page", 20)))
        everything = [one.record for one in self.tokens.values()]
        pages = -(-len(everything) // size)
        return told(everything[(page - 1) * size : page * size], info={"page": page, "total_pages": pages})

    def _create(self, asked: Json) -> Reply:
        if not _sound(asked) or len(asked["name"]) > 120:
            return refused(400)
        more = {key: asked[key] for key in ("condition", "expires_on", "not_before") if asked.get(key)}
        made = self.issue(asked["name"], asked["policies"], **more)
        return told({**made.record, "value": made.value})

    def _update(self, issued: Issued, asked: Json) -> Reply:
        """All of it: what is not sent is dropped."""
        if not _sound(asked) or asked.get("status", "active") not in ("active", "disabled"):
            return refused(400)
        former, now = issued.record, self.server.clock.now()
        kept = {key: former[key] for key in ("id", "issued_on", "last_used_on") if key in former}
        more = {key: asked[key] for key in ("condition", "expires_on", "not_before") if asked.get(key)}
        if self.drops_condition:
            more.pop("condition", None)
        status = asked.get("status", former["status"])
        issued.record = {**kept, "name": asked["name"], "policies": _as_told(asked["policies"]), "status": status,
                         "modified_on": _time(now), **more}  # fmt: skip
        issued.history.append((now, status))
        return told(issued.record)

    # -------------------------------------------------------------------------------------------------- S3

    def _s3(self, request: Request) -> Reply:
        key_id = (_AUTH.match(request.headers.get("authorization", "")) or [""] * 2)[1]
        reply = self._authenticated(request, key_id)
        path = request.path.removeprefix("/s3")
        self.log.append(Logged(self.server.clock.now(), key_id[-8:], request.method, path, reply.status))
        return reply

    def _authenticated(self, request: Request, key_id: str) -> Reply:
        issued = self.tokens.get(key_id) or self.buried.get(key_id)
        if issued is None:
            return _xml(403, "InvalidAccessKeyId")
        if not _signed(request, issued.secret):
            return _xml(403, "SignatureDoesNotMatch")
        if request.method == "HEAD" or "list-type" in request.query:
            return Reply(200)  # metadata: green whatever became of the token
        place = self.delays.next_place()
        if self.delays.seen(issued.history, place) != "active":
            return _xml(401, "Unauthorized")
        issued.uses += 1
        if self.dates_uses:
            issued.record["last_used_on"] = _time(self.server.clock.now())
        return self._object(request, issued)

    def _object(self, request: Request, issued: Issued) -> Reply:
        bucket, _, key = request.path.removeprefix("/s3/").partition("/")
        if bucket not in self.buckets:
            return _xml(404, "NoSuchBucket")
        if not _may(issued.record, bucket, WRITE if request.method in ("PUT", "DELETE") else READ):
            return _xml(403, "AccessDenied")
        match request.method:
            case "PUT":
                self.objects[f"{bucket}/{key}"] = request.body
                return Reply(200)
            case "DELETE":
                self.objects.pop(f"{bucket}/{key}", None)
                return Reply(204)
        found = self.objects.get(f"{bucket}/{key}")
        return _xml(404, "NoSuchKey") if found is None else Reply(200, found)


def _signed(request: Request, secret: str) -> bool:
    """Signature Version 4, from the request as it came over the wire."""
    found = _AUTH.match(request.headers["authorization"])
    if found is None:
        return False
    _, day, region, names, signature = found.groups()
    digest = request.headers.get("x-amz-content-sha256", "")
    if digest != hashlib.sha256(request.body).hexdigest() or "host" not in names.split(";"):
        return False
    lines = [request.method, request.path, request.raw_query]
    lines += [f"{name}:{request.headers[name].strip()}" for name in names.split(";")]
    canonical = "\n".join((*lines, "", names, digest))
    scope = f"{day}/{region}/s3/aws4_request"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{request.headers['x-amz-date']}\n{scope}\n{hashed}"
    key = f"AWS4{secret}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.compare_digest(hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), signature)


def _may(record: Json, bucket: str, group: str) -> bool:
    return any(
        policy["effect"] == "allow" and resource(bucket) in policy["resources"]
        and any(one["id"] == group for one in policy["permission_groups"])
        for policy in record["policies"]
    )  # fmt: skip


def _sound(asked: Json) -> bool:
    """A PUT and a POST want a name and policies."""
    return bool(asked.get("name")) and isinstance(asked.get("policies"), list) and bool(asked["policies"])


def _as_told(rights: list[Json]) -> list[Json]:
    """With ids and names of their own, and groups in another order, as the API answers."""
    found = copy.deepcopy(rights)
    for policy in found:
        policy["id"] = secrets.token_hex(16)
        groups = [{"id": one["id"], "name": NAMES.get(one["id"], "")} for one in policy["permission_groups"]]
        policy["permission_groups"] = groups[::-1]
    return found


def _whole_account(group: str) -> Json:
    return {
        "effect": "allow",
        "resources": {f"com.cloudflare.api.account.{ACCOUNT}": "*"},
        "permission_groups": [{"id": group}],
    }


def _xml(status: int, code: str) -> Reply:
    body = f"<?xml version='1.0'?><Error><Code>{quote(code)}</Code><Message>LEAK-CANARY</Message></Error>"
    return Reply(status, body.encode(), {"content-type": "application/xml"})


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
