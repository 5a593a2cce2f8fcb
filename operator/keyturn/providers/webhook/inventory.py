"""What the server's inventory means for one plan: who is whose, who is a stranger, which slot is free. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from keyturn.core.model import Existence, Op, Problem
from keyturn.ports import Principal
from keyturn.providers.webhook import wire
from keyturn.providers.webhook.settings import Settings

_WAY_OUT = "take that away, disable it, or declare it in spec.webhook.known of the provider"


class Inventory:
    """Credentials by name; one that the server does not tell of is absent."""

    def __init__(self, settings: Settings, principals: Sequence[wire.Principal]) -> None:
        self._settings = settings
        self._found = {one.id: one for one in principals}

    def principals(self) -> tuple[Principal, ...]:
        """Owner and slots, and strangers: who can log in, reaches the data, and was declared by nobody."""
        ours = tuple(_told(name, self._found.get(name)) for name in self._settings.users)
        return (*ours, *self._strangers())

    def state(self, name: str) -> Existence:
        """What it is good for."""
        return _told(name, self._found.get(name)).state

    def carries(self, name: str, op: Op) -> bool:
        """Does it carry this plan's tag, of exactly this op?"""
        one = self._found.get(name)
        mine = wire.Tag(rotation=op.rotation_uid or "-", generation=op.generation, epoch=op.epoch)
        return one is not None and one.plan == self._settings.plan and one.tag == mine

    def taken(self, slot: str) -> str:
        """Why NEW cannot be this slot; empty if it can."""
        one = self._found.get(slot)
        if one is None or one.state is wire.State.ABSENT:
            return ""
        if one.tag is None or one.plan is None:
            return "exists and is not ours (delete it, or name another slot)"
        if one.plan != self._settings.plan:
            return f"carries the tag of plan {one.plan} (two plans cannot share a credential)"
        if one.state is wire.State.ACTIVE:
            return "can still log in (see who uses it, then disable it)"
        return "still has sessions (end them)" if one.sessions else ""

    def problems(self, current: str) -> Iterator[Problem]:
        """About the credential that the Secret holds."""
        one = self._found.get(current)
        if one is None or one.state is wire.State.ABSENT:
            yield Problem("CredentialMissing", f"the webhook server knows no credential {current}: correct its backend")
        elif one.plan not in (None, self._settings.plan):
            yield Problem("OtherPlansCredential", f"{current} carries the tag of plan {one.plan}; give each its own")

    def _strangers(self) -> Iterator[Principal]:
        for one in self._found.values():
            if one.id in self._settings.users or self._settings.declared(one.id):
                continue
            if one.state is wire.State.ACTIVE and one.reaches:
                why = f"the webhook server says that it reaches what {self._settings.owner} reaches; {_WAY_OUT}"
                yield Principal(one.id, Existence.ACTIVE, stranger=True, expires=one.expires, why=why)


def _told(name: str, one: wire.Principal | None) -> Principal:
    if one is None:
        return Principal(name, Existence.ABSENT, tag="")
    tag = f"{one.tag.rotation}/{one.tag.generation}" if one.tag else ""
    return Principal(name, Existence(one.state.value), plan=one.plan or "", tag=tag, expires=one.expires)
