"""What a provider's owner lets plans ask for. Touches no server."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final

from keyturn.api.backends import TakingTurns
from keyturn.api.provider_kinds import Allow
from keyturn.api.rules import Rule
from keyturn.ports import Misconfigured

URL_FITS = Rule(
    r"self.matches('^https://([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.]+\\])(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/?$')",
    "write an address like https://rotator.shop.svc:8443/orders: https, a host, and no user, query or fragment",
)
CLUSTER_ONLY: Final = (
    "an address that the operator shall call may only stand in a ClusterCredentialProvider: ask an administrator of "
    "the cluster to write one, and let the plan's providerRef name it with kind: ClusterCredentialProvider"
)


def require_allowed(field: str, owner: str, slots: Sequence[str], allow: Allow) -> None:
    """Raises Misconfigured with the field and the way out."""
    if owner not in allow.owners:
        raise Misconfigured(
            "OwnerNotAllowed",
            f"spec.{field}.owner {owner!r} is not in the provider's allow.owners: add it there.",
        )
    for index, slot in enumerate(slots):
        if not matches(slot, allow.slots):
            raise Misconfigured(
                "SlotNotAllowed",
                f"spec.{field}.slots[{index}] {slot!r} matches no pattern of the provider's allow.slots: add one "
                "there.",
            )


def require_users_apart(field: str, wanted: TakingTurns, rotator: str, reserved: str) -> None:
    """Owner and slots are three users, none of them the rotator or the server's own. Raises Misconfigured otherwise."""
    named = (("owner", wanted.owner), *((f"slots[{i}]", slot) for i, slot in enumerate(wanted.slots)))
    for part, name in named:
        if name == rotator:
            raise Misconfigured(
                "RotatorAsUser",
                f"spec.{field}.{part} is the rotator itself, which cannot rotate its own login: use another user.",
            )
        if name == reserved:
            raise Misconfigured(
                "NameReserved", f"spec.{field}.{part}: {reserved} is the server's own; use another user."
            )
    if len(wanted.principals) != len(named):
        raise Misconfigured("UsersRepeat", f"spec.{field}.owner and spec.{field}.slots must be three different users.")


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Is it one of these names, or of these patterns with a trailing star?"""
    return any(fnmatchcase(name, _literal(pattern)) for pattern in patterns)


def _literal(pattern: str) -> str:
    """Only a trailing star is a pattern; the other signs of fnmatch are names' own."""
    stem, star = (pattern[:-1], "*") if pattern.endswith("*") else (pattern, "")
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in stem) + star
