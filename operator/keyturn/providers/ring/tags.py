"""Our tag at the acceptors' Secret: whose it is, which rotation touched it last, and which keys were taken out. Pure.

    rotation uid/generation plan=shop/orders epoch=7 version=12 made=3
    ids=orders-3 before=orders-3,orders-2 disabled=orders-2 retired=orders-1          (all on one line)

It stands in the annotation that every write of ours carries, in the same compare-and-set as the keys: whoever was
stopped between looking and writing comes too late. Ids are public, values never stand here.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote, unquote

from keyturn.core.model import Existence, Op
from keyturn.ports import Denied

MOST_RETIRED = 8  # ids that are remembered, the latest first
FITTING_ID = re.compile(r"[A-Za-z0-9._~:@-]{1,63}")  # what an id may be: it stands in a tag, a header and a status


@dataclass(frozen=True, slots=True)
class RingTag:
    """What is remembered of a ring besides its keys."""

    plan: str = ""  # namespace/name; "" before our first write
    rotation: str = ""
    generation: int = 0
    epoch: int = 0
    version: int = 0  # of the keys: grows with each change, and is the generation of the acceptors' restart
    made: int = 0  # keys that were ever made here: ids do not come back
    ids: tuple[str, ...] = ()  # in the ring, as we last wrote it
    before: tuple[str, ...] = ()  # in the ring before that
    disabled: tuple[str, ...] = ()
    retired: tuple[str, ...] = ()
    kept: Mapping[str, str] = field(default_factory=dict[str, str])  # public keys taken out, as they stood: by kid

    @classmethod
    def read(cls, text: str) -> RingTag:
        """Of an annotation; one that is none of ours, or of a Secret that we never wrote, is an empty tag."""
        touched, *words = text.split(" ")
        rotation, _, generation = touched.rpartition("/")
        said: dict[str, str] = {}
        for word in words:
            name, _, value = word.partition("=")
            said[name] = value
        if not rotation or not said.get("plan") or not generation.isdecimal():
            return cls()
        return cls(
            plan=said["plan"],
            rotation=rotation,
            generation=int(generation),
            epoch=_number(said.get("epoch", "")),
            version=_number(said.get("version", "")),
            made=_number(said.get("made", "")),
            ids=_names(said.get("ids", "")),
            before=_names(said.get("before", "")),
            disabled=_names(said.get("disabled", "")),
            retired=_names(said.get("retired", "")),
            kept=_texts(said.get("kept", "")),
        )

    def written(self) -> str:
        """As the annotation has it."""
        ring = f"ids={_joined(self.ids)} before={_joined(self.before)}"
        lists = f"{ring} disabled={_joined(self.disabled)} retired={_joined(self.retired)}"
        numbers = f"epoch={self.epoch} version={self.version} made={self.made}"
        kept = ",".join(f"{_joined([id_])}:{_packed(text)}" for id_, text in self.kept.items())
        return f"{self.touched} plan={self.plan} {numbers} {lists}" + (f" kept={kept}" if kept else "")

    @property
    def touched(self) -> str:
        """``rotation uid/generation`` of our last change, "" before any."""
        return f"{self.rotation}/{self.generation}" if self.rotation else ""

    def state(self, id_: str) -> Existence:
        """Of an id that is not in the ring."""
        if id_ in self.disabled:
            return Existence.DISABLED
        return Existence.RETIRED if id_ in self.retired else Existence.ABSENT

    def after(self, op: Op, plan: str) -> RingTag:
        """As this op leaves it, if it may still write. Raises Denied if its writer was overtaken."""
        if self.plan not in ("", plan):
            raise Denied(
                "AcceptorsOfAnotherPlan",
                f"The acceptors' Secret carries the tag of plan {self.plan}: nothing was changed. Give each plan its "
                "own, or take its annotation away if that plan is gone.",
            )
        turned_back = self.rotation == op.rotation_uid and self.generation > op.generation
        if self.epoch > op.epoch or turned_back:
            raise Denied(
                "Overtaken",
                "A newer operator, or the way back of this rotation, has changed the acceptors' Secret since: nothing "
                "was changed.",
            )
        return replace(self, plan=plan, rotation=op.rotation_uid, generation=op.generation, epoch=op.epoch)

    def with_disabled(self, *ids: str, kept: Mapping[str, str] | None = None) -> RingTag:
        """Taken out, and known to come back. ``kept``: what stood there, only if everybody may read it."""
        disabled = (*(one for one in self.disabled if one not in ids), *ids)
        return replace(self, disabled=disabled, kept={**self.kept, **(kept or {})})

    def with_active(self, id_: str) -> RingTag:
        """In the ring again."""
        kept = {one: text for one, text in self.kept.items() if one != id_}
        return replace(self, disabled=tuple(one for one in self.disabled if one != id_), kept=kept)

    def with_retired(self, id_: str) -> RingTag:
        """Never to come back."""
        gone = (id_, *(one for one in self.retired if one != id_))[:MOST_RETIRED]
        return replace(self.with_active(id_), retired=gone)


def _packed(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _texts(packed: str) -> dict[str, str]:
    """Damaged ones are left out: they are made anew."""
    found: dict[str, str] = {}
    for one in filter(None, packed.split(",")):
        id_, _, text = one.rpartition(":")
        try:
            found[unquote(id_)] = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True).decode()
        except (binascii.Error, ValueError):
            continue
    return found


def _names(text: str) -> tuple[str, ...]:
    return tuple(unquote(name) for name in text.split(",") if name)


def _joined(names: Iterable[str]) -> str:
    """Others' ids may hold any sign."""
    return ",".join(quote(name, safe="") for name in names)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
