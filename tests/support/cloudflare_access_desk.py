"""Access: service tokens, policies, groups, applications, and an app behind it. As documented, and as in January 2023.

https://developers.cloudflare.com/cloudflare-one/access-controls/service-credentials/service-tokens/. ``strict`` is
strict service token authentication: 403 for whoever is not let in; else the login page, as a redirect or with status
200.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from support.cloudflare_server import ACCOUNT, CloudflareServer, Delays, Json, Reply, Request, refused, told

LOGIN_PAGE = b"<html><title>Sign in \xc2\xb7 Cloudflare Access</title>LEAK-CANARY</html>"
APP = b'{"app": "orders", "healthy": true}'
_KINDS = ("policies", "groups", "apps")


@dataclass
class ServiceToken:
    """A token, its secret as Access keeps it, and what places knew of it when."""

    record: Json
    secret: str
    history: list[tuple[datetime, tuple[bool, str]]] = field(default_factory=list)

    @property
    def uuid(self) -> str:
        return self.record["id"]


@dataclass
class AccessDesk:
    """``/accounts/<id>/access`` and ``/app``."""

    server: CloudflareServer
    login: str = "strict"  # strict, redirect, page
    dates_uses: bool = True  # last_seen_at
    carries_secrets: bool = False  # a careless server: reads tell a redacted client_secret
    tokens: dict[str, ServiceToken] = field(default_factory=dict)  # by uuid
    records: dict[str, dict[str, Json]] = field(default_factory=lambda: {kind: {} for kind in _KINDS})
    app_policies: dict[str, dict[str, Json]] = field(default_factory=dict)  # of an application's own, by its id
    log: list[tuple[datetime, str, int]] = field(default_factory=list)  # when, client id, status
    rotator: str = "cfat_the-rotators-own-token-of-a-test"
    dice: random.Random = field(default_factory=lambda: random.Random(2023))  # a page shows what a run printed

    def __post_init__(self) -> None:
        self.delays = Delays(self.server.clock)
        self.server.routes[f"/client/v4/accounts/{ACCOUNT}/"] = self._api
        self.server.routes["/app"] = self._app

    # ------------------------------------------------------------------------------------------ what people do

    def issue(self, name: str, duration: str = "8760h") -> ServiceToken:
        now = self.server.clock.now()
        ends = now + timedelta(hours=int(duration.removesuffix("h")))
        record: Json = {"id": self._uuid(), "client_id": f"{self.dice.getrandbits(128):032x}.access", "name": name,
                        "duration": duration, "created_at": _time(now), "updated_at": _time(now),
                        "expires_at": _time(ends), "client_secret_version": 1}  # fmt: skip
        made = ServiceToken(record, f"cfast_{self.dice.getrandbits(192):048x}")
        self.tokens[made.uuid] = made
        self.sync(made)
        return made

    def _uuid(self) -> str:
        return str(UUID(int=self.dice.getrandbits(128)))

    def sync(self, token: ServiceToken) -> None:
        """What it is now is on its way to every place."""
        state = (token.record.get("enabled", True), token.secret)
        token.history.append((self.server.clock.now(), state))

    def add(self, kind: str, name: str, *tokens: ServiceToken, **more: Any) -> Json:
        """A policy or a group with these tokens."""
        now = _time(self.server.clock.now())
        record = {"id": self._uuid(), "name": name, "include": rules(tokens), "exclude": [], "require": []}
        record |= {"created_at": now, "updated_at": now, **more}
        self.records[kind][record["id"]] = record
        return record

    def last_seen_at_release(self, token: ServiceToken) -> None:
        """24 January 2023: the record is read, its secret redacted, and written back whole."""
        token.secret = ""
        self.sync(token)

    # ------------------------------------------------------------------------------------------------- the API

    def _api(self, request: Request) -> Reply:
        if request.headers.get("authorization") != f"Bearer {self.rotator}":
            return refused(401)
        rest = request.path.partition(f"/accounts/{ACCOUNT}/")[2].split("/")
        match rest:
            case ["tokens", "verify"]:
                return told({"id": "rotator", "status": "active"})
            case ["access", "service_tokens", *id_]:
                return self._service_tokens(request, *id_)
            case ["access", "apps", app, "policies", *id_] if app in self.records["apps"]:
                return _crud(request, self.app_policies.setdefault(app, {}), *id_, now=_time(self.server.clock.now()))
            case ["access", kind, *id_] if kind in self.records:
                return _crud(request, self.records[kind], *id_, now=_time(self.server.clock.now()))
        return refused(404)

    def _service_tokens(self, request: Request, uuid: str = "", verb: str = "") -> Reply:
        if not uuid and request.method == "POST":
            made = self.issue(request.json["name"], request.json.get("duration", "8760h"))
            return told({**made.record, "client_secret": made.secret})
        if not uuid:
            return _paged(request, [self._shown(one) for one in self.tokens.values()])
        token = self.tokens.get(uuid)
        if token is None or verb:
            return refused(404)
        if request.method == "DELETE":
            del self.tokens[uuid]
        elif request.method == "PUT":
            self._update(token, request.json)
        return told(self._shown(token))

    def _update(self, token: ServiceToken, asked: Json) -> None:
        """A whole record overwrites the secret with whatever stands in it: not null, and yet empty."""
        for name in ("name", "enabled"):
            if name in asked:
                token.record[name] = asked[name]
        if "duration" in asked:
            token.record["duration"] = asked["duration"]
            token.record["expires_at"] = _time(self.server.clock.now())
        if asked.get("client_secret") is not None:
            token.secret = asked["client_secret"]
        token.record["updated_at"] = _time(self.server.clock.now())
        self.sync(token)

    def _shown(self, token: ServiceToken) -> Json:
        return {**token.record, **({"client_secret": ""} if self.carries_secrets else {})}

    # -------------------------------------------------------------------------------------------------- the app

    def _app(self, request: Request) -> Reply:
        id_ = request.headers.get("cf-access-client-id", "")
        reply = Reply(200, APP) if self._lets_in(request, id_) else self._kept_out()
        self.log.append((self.server.clock.now(), id_, reply.status))
        return reply

    def _lets_in(self, request: Request, id_: str) -> bool:
        token = next((one for one in self.tokens.values() if one.record["client_id"] == id_), None)
        if token is None:
            return False
        known = self.delays.seen(token.history, self.delays.next_place())
        if known != (True, request.headers.get("cf-access-client-secret", "")) or not self._stands(token.uuid):
            return False
        if self.dates_uses:
            token.record["last_seen_at"] = _time(self.server.clock.now())
        return True

    def _stands(self, uuid: str) -> bool:
        """In any policy of the one app that there is."""
        own = [record for records in self.app_policies.values() for record in records.values()]
        for policy in (*self.records["policies"].values(), *own):
            groups = {rule["group"]["id"] for rule in policy["include"] if "group" in rule}
            holders = [policy, *(self.records["groups"][id_] for id_ in groups)]
            listed = [rule for holder in holders for rule in holder["include"]]
            if {"service_token": {"token_id": uuid}} in listed or {"any_valid_service_token": {}} in listed:
                return True
        return False

    def _kept_out(self) -> Reply:
        match self.login:
            case "redirect":
                place = "https://team.cloudflareaccess.com/cdn-cgi/access/login/app"
                return Reply(302, b"", {"location": place, "set-cookie": "CF_AppSession=LEAK-CANARY"})
            case "page":
                return Reply(200, LOGIN_PAGE)
        return Reply(403, b"forbidden")


def rules(tokens: Iterable[ServiceToken]) -> list[Json]:
    return [{"service_token": {"token_id": token.uuid}} for token in tokens]


def _crud(request: Request, records: dict[str, Json], id_: str = "", *, now: str) -> Reply:
    """Policies, groups and apps: a PUT replaces all of it."""
    if not id_:
        return _paged(request, list(records.values()))
    if id_ not in records:
        return refused(404)
    if request.method == "PUT":
        asked = copy.deepcopy(request.json)
        if not asked.get("name") or not isinstance(asked.get("include"), list):
            return refused(400)
        kept = {key: records[id_][key] for key in ("id", "created_at", "reusable", "app_count") if key in records[id_]}
        records[id_] = {**asked, **kept, "updated_at": now}
    return told(records[id_])


def _paged(request: Request, everything: list[Json]) -> Reply:
    page, size = int(request.query.get("page", 1)), int(request.query.get("per_page", 20))
    part = copy.deepcopy(everything[(page - 1) * size : page * size])
    return told(part, info={"page": page, "total_pages": -(-len(everything) // size)})


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
