"""The acceptors' Secret as it is, with what is known of its keys. Reads only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from keyturn.core.model import Existence
from keyturn.core.sealed import Sealed
from keyturn.ports import Cluster, Credential, Denied, Misconfigured, SecretRecord
from keyturn.providers.ring import jwks
from keyturn.providers.ring.formats import Entry, Ring, entry_of, read, same
from keyturn.providers.ring.kinds import Format
from keyturn.providers.ring.settings import Settings
from keyturn.providers.ring.tags import RingTag


@dataclass(frozen=True, slots=True)
class View:
    """The acceptors' Secret as it was read, and the values of this plan that we know."""

    record: SecretRecord
    ring: Ring
    tag: RingTag
    values: Mapping[str, Sealed]  # of the plan's escrow

    def state(self, id_: str) -> Existence:
        """How the ring knows this id."""
        return Existence.ACTIVE if self.ring.entry(id_) else self.tag.state(id_)

    def entry(self, credential: Credential) -> Entry:
        """What stands, or shall stand, in the ring for it: as it stood before, if that was kept."""
        kept = self.tag.kept.get(credential.id)
        former = Entry(credential.id, Sealed(kept)) if kept and self.ring.format.public else None
        if former is not None and same(self.ring.format, former, credential):
            return former
        return entry_of(self.ring.format, credential)

    def public(self, *ids: str) -> dict[str, str]:
        """Entries that everybody may read: certificates, and public keys with nothing else in them."""
        if not self.ring.format.public:
            return {}
        found = {one.id: one.value.reveal_text() for one in self.ring.entries if one.id in ids}
        if self.ring.format is Format.CA_BUNDLE:
            return found
        return {id_: text for id_, text in found.items() if jwks.is_public(json.loads(text))}


async def look(settings: Settings, cluster: Cluster, *at_hand: Credential) -> View:
    """Raises Misconfigured where the Secret is no ring, Denied where it is not the one that the plan remembers."""
    remembered = settings.plan.status.system_id
    if remembered not in ("", settings.system):
        raise Denied(
            "WrongSystem",
            f"This plan was adopted with {remembered}: the ring of a plan cannot change. Put it back, or delete "
            "this plan and write a new one.",
        )
    record, escrow = await cluster.secret(settings.secret), await cluster.escrow(settings.plan.uid)
    if record is None or settings.key not in record.data:
        raise Misconfigured(
            "AcceptorsMissing",
            f"There is no {settings.where}: create it with the current key, in the format {settings.form}.",
        )
    values: Mapping[str, Sealed] = escrow.values if escrow is not None else {}
    ring = read(settings.form, record.data[settings.key], settings.where)
    tag, current = RingTag.read(record.tag), settings.plan.status.current_id
    there = tag.ids if tag.version else [current] if current else [one.id for one in at_hand]
    return View(record, ring.known_by({**{one.id: one.value for one in at_hand}, **values}, there), tag, values)
