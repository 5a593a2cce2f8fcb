"""Speaks to the Cloudflare API v4 for the backends that need it: one bounded call at a time, no redirects, JSON only.

Knows the envelope and what its failures mean, and nothing of what is asked for. What the API says in words is never
read, let alone repeated. Source: https://developers.cloudflare.com/api/ and, for the limits on calls,
https://developers.cloudflare.com/fundamentals/api/reference/limits/.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Final, cast
from urllib.parse import quote, urlsplit

import httpx

from keyturn.core.sealed import Sealed
from keyturn.ports import Denied, KeyturnError, Misconfigured, OutcomeUnknown, Unavailable
from keyturn.providers.admin_secret import AdminSecret

DOCUMENTED: Final = "https://api.cloudflare.com/client/v4"
TIMES: Final = httpx.Timeout(15.0, connect=5.0)  # one call, whatever the other side does
_PAGE: Final = 50
_MOST_PAGES: Final = 200
_LONGEST_WAIT: Final = 3600  # seconds of a Retry-After that are believed

Json = dict[str, Any]


class NotThere(Denied):
    """The API knows no such thing."""

    def __init__(self) -> None:
        super().__init__("NotThere", "Cloudflare knows nothing of that id in this account.")


@dataclass(frozen=True, slots=True)
class Account:
    """Where the rotator's token may be sent, and whose things it sees."""

    id: str
    token: Sealed
    api: str = DOCUMENTED
    authority: str = ""  # PEM, where not the public ones


def read_account(words: AdminSecret, declared: str, field: str) -> Account:
    """What the admin Secret says. Raises Misconfigured with the key and the way out."""
    own = words.text("account")
    if own != declared:
        raise Misconfigured(
            "AccountNotAllowed",
            f"spec.{field}.account is not the account that the admin Secret {words.record.key} names: credentials go "
            "only where the Secret says. Correct the one that is wrong.",
        )
    api = words.text("api", needed=False) or DOCUMENTED
    return Account(own, words.sealed("token"), place("api", api, words), words.text("ca.crt", needed=False))


def place(key: str, url: str, words: AdminSecret) -> str:
    """A URL of the admin Secret without a slash at its end: https, or on this very machine."""
    parts = urlsplit(url)
    plain = parts.scheme == "http" and _loopback(parts.hostname or "")
    if not parts.hostname or not (parts.scheme == "https" or plain) or parts.username or parts.query:
        raise Misconfigured(
            "AdminSecretUnreadable", f"{key!r} of the admin Secret {words.record.key} is not an https URL."
        )
    return url.rstrip("/")


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=8)
def trust(authority: str) -> ssl.SSLContext:
    """Whom we believe to be the other side; reading the public ones takes long, so it is kept."""
    return ssl.create_default_context(cadata=authority or None)


def client(authority: str = "") -> httpx.AsyncClient:
    """For one call or a few. Follows nothing, takes nothing from the environment."""
    return httpx.AsyncClient(timeout=TIMES, follow_redirects=False, trust_env=False, verify=trust(authority))


class CloudflareApi:
    """One account, as the rotator."""

    def __init__(self, account: Account) -> None:
        self._account = account

    async def rotator(self) -> str:
        """The id of the rotator's own token, which must be one of this account's. Raises Denied if it is not."""
        told = await self.get("tokens", "verify")
        found = cast("Json", told) if isinstance(told, dict) else {}
        if found.get("status") != "active" or not found.get("id"):
            raise Denied(
                "RotatorRefused", "The rotator's token is not an active one of this account: renew the admin Secret."
            )
        return str(found["id"])

    async def get(self, *path: str) -> Any:
        """The result. Raises NotThere, Denied, Unavailable."""
        return (await self._call("GET", path)).get("result")

    async def all(self, *path: str) -> list[Json]:
        """Every page of a list."""
        found: list[Json] = []
        for page in range(1, _MOST_PAGES + 1):
            answer = await self._call("GET", path, query={"page": page, "per_page": _PAGE})
            part = answer.get("result")
            if not isinstance(part, list):
                raise _unreadable()
            records = [cast("Json", one) for one in cast("list[Any]", part) if isinstance(one, dict)]
            fresh = [one for one in records if one not in found]
            found += fresh
            if not fresh or _is_last(cast("Json", answer.get("result_info") or {}), page, len(found)):
                return found
        raise _unreadable()

    async def post(self, *path: str, body: Json) -> Any:
        """The result of a write that happens once for each call: a lost answer is OutcomeUnknown."""
        return (await self._call("POST", path, body=body)).get("result")

    async def put(self, *path: str, body: Json) -> Any:
        """The result."""
        return (await self._call("PUT", path, body=body)).get("result")

    async def delete(self, *path: str) -> None:
        """What is gone already is as deleted as can be."""
        try:
            await self._call("DELETE", path)
        except NotThere:
            return

    async def _call(
        self, method: str, path: tuple[str, ...], *, body: Json | None = None, query: Mapping[str, int] | None = None
    ) -> Json:
        writing = method != "GET"
        parts = "/".join(quote(part, safe="") for part in ("accounts", self._account.id, *path))
        headers = {"authorization": f"Bearer {self._account.token.reveal_text().strip()}"}
        try:
            async with client(self._account.authority) as http:
                answer = await http.request(
                    method, f"{self._account.api}/{parts}", headers=headers, json=body, params=query
                )
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise _down() from None  # nothing was sent
        except (httpx.HTTPError, OSError, ValueError):
            raise (_lost() if writing else _down()) from None
        return _judged(answer, writing=writing)


def _is_last(told: Json, page: int, so_far: int) -> bool:
    """By whichever of the two numbers a list tells; one that tells neither is asked until nothing new comes."""
    pages, total = told.get("total_pages"), told.get("total_count")
    if isinstance(pages, int):
        return page >= pages
    return isinstance(total, int) and so_far >= total


def _judged(answer: httpx.Response, *, writing: bool) -> Json:
    """The envelope of an answer that says success, or what the failure means."""
    status = answer.status_code
    if status == 429:
        raise rate_limited(answer)
    if status >= 500:
        raise _lost() if writing else _down()
    if status in (401, 403):
        raise Denied(
            "RotatorRefused",
            "Cloudflare refuses the rotator's token, or it lacks a permission, is disabled, has expired, or may not be "
            "used from this address: see the permissions in the provider's page, and renew the admin Secret.",
        )
    if status == 404:
        raise NotThere
    if not 200 <= status < 300:
        raise Denied("ApiRefused", "Cloudflare refused a call as it was asked; its audit log may tell more.")
    try:
        told: object = answer.json()
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise _lost() if writing else _unreadable()
    found = cast("Json", told)
    if found.get("success") is not True:
        raise Denied("ApiRefused", "Cloudflare refused a call as it was asked; its audit log may tell more.")
    return found


def rate_limited(answer: httpx.Response) -> Unavailable:
    """Too many calls: nothing was done. How long to wait is the one thing that is read."""
    after = answer.headers.get("retry-after", "")
    seconds = min(int(after), _LONGEST_WAIT) if after.isascii() and after.isdigit() else 0
    wait = f" It says to wait {seconds} s." if seconds else ""
    return Unavailable("RateLimited", f"Cloudflare limits the rate of calls; nothing was done.{wait}")


def _down() -> KeyturnError:
    return Unavailable("ServerDown", "Cloudflare cannot be reached, or did not answer in time.")


def _lost() -> KeyturnError:
    return OutcomeUnknown("AnswerLost", "Cloudflare did not answer a change; what came of it is read back first.")


def _unreadable() -> KeyturnError:
    return Unavailable("AnswerUnreadable", "Cloudflare answered something that is not the documented form.")
