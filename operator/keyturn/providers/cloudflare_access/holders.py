"""Where service tokens stand: reusable policies, groups, and policies that one application has for itself.

A change of a policy is a PUT of all of it. Policies carry no secrets; one that does all the same is not touched. What
is sent is what was just read, with one rule more or less, and it is read back and compared deeply.
Sources: https://developers.cloudflare.com/api/resources/zero_trust/subresources/access/subresources/policies/,
.../groups/ and .../applications/subresources/policies/
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from keyturn.ports import Conflict, Denied
from keyturn.providers.cloudflare_api import CloudflareApi

Json = dict[str, Any]
Standing = frozenset[tuple[str, str]]  # path of the holder, and the list it stands in
_LISTS: Final = ("include", "require", "exclude")
_THE_APIS_OWN: Final = frozenset({"id", "uid", "created_at", "updated_at", "app_count", "reusable"})
_SHARED: Final = (("access", "policies"), ("access", "groups"))


@dataclass(frozen=True, slots=True)
class Holder:
    """A policy or a group."""

    path: tuple[str, ...]
    record: Json

    @property
    def where(self) -> str:
        """Its name in paths."""
        return "/".join(self.path)

    def lists_of(self, uuid: str) -> tuple[str, ...]:
        """In which of its lists the token stands."""
        return tuple(name for name in _LISTS if _rule(uuid) in _rules(self.record, name))

    @property
    def uuids(self) -> frozenset[str]:
        """Every service token that it lets in by name."""
        rules = [rule for name in ("include", "require") for rule in _rules(self.record, name)]
        found = [rule["service_token"] for rule in rules if isinstance(rule.get("service_token"), dict)]
        return frozenset(str(cast("Json", one).get("token_id")) for one in found)

    @property
    def any_token(self) -> bool:
        """Does it let in every valid one?"""
        return any("any_valid_service_token" in rule for rule in _rules(self.record, "include"))

    def named(self, names: Sequence[str]) -> bool:
        """Is it one of these, by id or name?"""
        return self.record.get("id") in names or self.record.get("name") in names


class Holders:
    """All of the account's."""

    def __init__(self, api: CloudflareApi) -> None:
        self._api = api

    async def all(self) -> list[Holder]:
        """Those that are shared, and each application's own."""
        found = [Holder((*path, str(one.get("id"))), one) for path in _SHARED for one in await self._api.all(*path)]
        for app in await self._api.all("access", "apps"):
            if not _may_have_own(app):
                continue
            path = ("access", "apps", str(app.get("id")), "policies")
            own = [one for one in await self._api.all(*path) if one.get("reusable") is not True]
            found += [Holder((*path, str(one.get("id"))), one) for one in own]
        return found

    async def add(self, holder: Holder, lists: Iterable[str], uuid: str) -> None:
        """The token stands in these lists as well."""
        wanted = copy.deepcopy(holder.record)
        for name in lists:
            if _rule(uuid) not in _rules(wanted, name):
                wanted[name] = [*_rules(wanted, name), _rule(uuid)]
        await self._write(holder, wanted)

    async def remove(self, holder: Holder, uuid: str) -> None:
        """The token stands in none of its lists any more."""
        wanted = copy.deepcopy(holder.record)
        for name in holder.lists_of(uuid):
            wanted[name] = [rule for rule in _rules(wanted, name) if rule != _rule(uuid)]
        if _rules(holder.record, "include") and not _rules(wanted, "include"):
            raise Denied(
                "LastOfPolicy", f"Only this token stands in {holder.where}: a policy for nobody is for people to judge."
            )
        await self._write(holder, wanted)

    async def _write(self, holder: Holder, wanted: Json) -> None:
        if wanted == holder.record:
            return
        if _has_secret(wanted):
            raise Denied(
                "SecretInRecord",
                f"{holder.where} carries something secret, so it is not written back: change it by hand.",
            )
        if _essence(await self._api.get(*holder.path)) != _essence(holder.record):
            raise Conflict("PolicyChanged", "A policy was changed while it was looked at; looking again.")
        body = {key: value for key, value in wanted.items() if key not in _THE_APIS_OWN}
        await self._api.put(*holder.path, body=body)
        after: Any = await self._api.get(*holder.path)
        if _essence(after) != _essence(wanted):
            raise Conflict(
                "PolicyChanged",
                f"{holder.where} is not as it was just written: somebody else changes it. See who does.",
            )


def standing(holders: Sequence[Holder], uuid: str) -> Standing:
    """Everywhere that this token stands."""
    return frozenset((holder.where, name) for holder in holders for name in holder.lists_of(uuid))


def _may_have_own(app: Json) -> bool:
    """May it have policies of its own that speak of service tokens? An application that does not tell may."""
    if not isinstance(app.get("policies"), list):
        return True
    own = [one for one in _rules(app, "policies") if one.get("reusable") is not True]
    return any("service_token" in rule for one in own for name in _LISTS for rule in _rules(one, name)) or any(
        "any_valid_service_token" in rule for one in own for rule in _rules(one, "include")
    )


def _rule(uuid: str) -> Json:
    return {"service_token": {"token_id": uuid}}


def _rules(record: Json, name: str) -> list[Json]:
    found = record.get(name)
    return [one for one in cast("list[Any]", found) if isinstance(one, dict)] if isinstance(found, list) else []


def _essence(record: Any) -> Json:
    """Without what the API keeps itself; rules in any order."""
    found = cast("Json", record) if isinstance(record, dict) else {}
    kept = {key: value for key, value in found.items() if key not in _THE_APIS_OWN and value not in (None, [], {})}
    return {key: sorted(value, key=str) if key in _LISTS else value for key, value in kept.items()}


def _has_secret(value: Any) -> bool:
    if isinstance(value, dict):
        parts = cast("Json", value)
        return any("secret" in key.lower() or _has_secret(part) for key, part in parts.items())
    return isinstance(value, list) and any(_has_secret(part) for part in cast("list[Any]", value))
