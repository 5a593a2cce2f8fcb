"""What a token may do, compared deeply. Pure.

Policies come back with ids of their own, names and in any order; what they allow is their effect, their resources
(which may be nested) and their permission groups. Source: https://developers.cloudflare.com/api/resources/accounts/
subresources/tokens/ and https://developers.cloudflare.com/r2/api/tokens/ for the names of buckets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

Json = dict[str, Any]
_TOUCHES_R2: Final = ("R2", "API Tokens Write")  # in the name of a permission group; the second can give itself more


def bucket_key(account: str, jurisdiction: str, bucket: str) -> str:
    """The bucket as a policy's resource."""
    return f"com.cloudflare.edge.r2.bucket.{account}_{jurisdiction}_{bucket}"


@dataclass(frozen=True, slots=True)
class Rights:
    """Canonical, so that equal rights are equal values."""

    policies: tuple[str, ...]
    condition: str

    @classmethod
    def of(cls, token: Json) -> Rights:
        """What this token, as the API tells it, may do and from where."""
        policies = sorted(json.dumps(_policy(one), sort_keys=True) for one in _list(token.get("policies")))
        return cls(tuple(policies), json.dumps(_plain(token.get("condition") or {}), sort_keys=True))

    def asked(self) -> Json:
        """As a new token is asked for."""
        condition: Json = json.loads(self.condition)
        wanted: Json = {"policies": [json.loads(one) for one in self.policies]}
        return wanted | ({"condition": condition} if condition else {})


def baseline(resource: str, groups: Sequence[str], addresses: Sequence[str]) -> Rights:
    """The bucket alone, with these permission groups, from these networks."""
    policy = {"effect": "allow", "resources": {resource: "*"}, "permission_groups": [{"id": id_} for id_ in groups]}
    condition = {"request_ip": {"in": list(addresses)}} if addresses else {}
    return Rights.of({"policies": [policy], "condition": condition})


def names_bucket(token: Json, resource: str) -> bool:
    """Is this very bucket among what its policies allow?"""
    return any(
        policy.get("effect") == "allow" and _covers(_resources(policy), resource)
        for policy in _list(token.get("policies"))
    )


def reaches(token: Json, resource: str, account: str) -> str:
    """How it reaches the bucket, in words; "" if it does not."""
    for policy in _list(token.get("policies")):
        if policy.get("effect") != "allow":
            continue
        resources = _resources(policy)
        if _covers(resources, resource):
            return "a policy of it names the bucket"
        if _account_wide(resources, account) and any(
            _may_touch(group) for group in _list(policy.get("permission_groups"))
        ):
            return "a policy of it allows R2, or making tokens, for the whole account"
    return ""


def _covers(resources: Mapping[str, Any], resource: str) -> bool:
    """By its key, by a pattern, or nested below an account's."""
    return any(
        key == resource
        or (key.endswith("*") and resource.startswith(key[:-1]))
        or (isinstance(below, dict) and _covers(cast("Json", below), resource))
        for key, below in resources.items()
    )


def _account_wide(resources: Mapping[str, Any], account: str) -> bool:
    whole = (f"com.cloudflare.api.account.{account}", "com.cloudflare.api.account.*")
    return any(key in whole for key in resources)


def _may_touch(group: Json) -> bool:
    """A group without a name may be any."""
    name = str(group.get("name") or "")
    return not name or any(word in name for word in _TOUCHES_R2)


def _resources(policy: Json) -> Json:
    found = policy.get("resources")
    return cast("Json", found) if isinstance(found, dict) else {}


def _policy(policy: Json) -> Json:
    groups = sorted(str(group.get("id") or "") for group in _list(policy.get("permission_groups")))
    return {
        "effect": policy.get("effect"),
        "resources": _plain(_resources(policy)),
        "permission_groups": [{"id": id_} for id_ in groups],
    }


def _list(value: object) -> list[Json]:
    return [one for one in cast("list[Any]", value) if isinstance(one, dict)] if isinstance(value, list) else []


def _plain(value: Any) -> Any:
    """Without what is empty, and lists in one order: an absent field and an empty one say the same."""
    if isinstance(value, dict):
        parts = {key: _plain(part) for key, part in cast("Json", value).items()}
        return {key: part for key, part in parts.items() if part not in (None, {}, [])}
    if isinstance(value, list):
        return sorted((_plain(part) for part in cast("list[Any]", value)), key=str)
    return value
