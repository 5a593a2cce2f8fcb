"""How the acceptors' Secret writes down the keys it accepts: from bytes to entries, and back byte for byte. Pure.

A way back must leave the bytes that were there, and proof compares bytes: so what cannot be written again exactly as it
was found is refused, and nothing is ever put into another style.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, cast

from keyturn.core.sealed import Sealed, Unsuitable
from keyturn.ports import Credential, Misconfigured
from keyturn.providers.ring import certificates, jwks
from keyturn.providers.ring.kinds import Format

Dump = Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class Entry:
    """One accepted key. ``value`` is what stands there: the key, or the whole public key as JSON."""

    id: str  # "" in a list, until somebody knows its value
    value: Sealed
    unknown: bool = False  # of a list, and its id is no more than its place


@dataclass(frozen=True, slots=True)
class Ring:
    """All accepted keys in their order, and the style they are written in."""

    format: Format
    entries: tuple[Entry, ...]
    style: int

    @property
    def ids(self) -> tuple[str, ...]:
        """Of all accepted keys, in their order."""
        return tuple(_place(number) if one.unknown else one.id for number, one in enumerate(self.entries, 1))

    def entry(self, id_: str) -> Entry | None:
        """The entry of this id."""
        return next((one for one in self.entries if one.id == id_), None)

    def holds(self, credential: Credential) -> bool:
        """Is exactly this key accepted under this id?"""
        mine = self.entry(credential.id)
        return mine is not None and same(self.format, mine, credential)

    def with_(self, entry: Entry, *, newest: bool) -> Ring:
        """With this one as the newest, or as the oldest; one that is there stays where it is."""
        if self.entry(entry.id):
            return self
        twin = next((one for one in self.entries if self._twins(one, entry)), None)
        if twin is not None:  # one certificate may stand for several credentials: it stays where it is, and as it is
            return replace(self, entries=tuple(
                new for one in self.entries for new in ((Entry(entry.id, one.value), one) if one is twin else (one,))
            ))  # fmt: skip
        return replace(self, entries=(entry, *self.entries) if newest else (*self.entries, entry))

    def without(self, *ids: str) -> Ring:
        """Without these."""
        return replace(self, entries=tuple(one for one in self.entries if one.id not in ids))

    def _twins(self, one: Entry, other: Entry) -> bool:
        return self.format is Format.CA_BUNDLE and certificates.same(one.value.reveal_text(), other.value)

    def known_by(self, values: Mapping[str, Sealed], there: Collection[str] = ()) -> Ring:
        """Entries of a list get the id whose value they hold, else their place: ``entry-2``.

        A certificate stands for all credentials of that authority that were put ``there``; if for none of them, for
        one whose authority it is.
        """
        if self.format.named:
            return self
        if self.format is Format.CA_BUNDLE:
            return replace(self, entries=tuple(e for one in self.entries for e in _standing_for(one, values, there)))
        ids = {id_: value for id_, value in values.items() if value}
        found: list[Entry] = []
        for number, one in enumerate(self.entries, 1):
            id_ = next((id_ for id_, value in ids.items() if value == one.value), "")
            found.append(Entry(id_ or _place(number), one.value, unknown=not id_))
        return replace(self, entries=tuple(found))

    def written(self) -> Sealed:
        """As it stands in the Secret."""
        return Sealed(_STYLES[self.format][self.style](_document(self.format, self.entries)))


def _standing_for(one: Entry, values: Mapping[str, Sealed], there: Collection[str]) -> tuple[Entry, ...]:
    theirs = [id_ for id_, value in values.items() if certificates.same(one.value.reveal_text(), value)]
    put = [id_ for id_ in theirs if id_ in there] or theirs[:1]
    return tuple(Entry(id_, one.value) for id_ in put) or (one,)


def entry_of(form: Format, credential: Credential) -> Entry:
    """What acceptors are given of this key. Raises Misconfigured for a key that this format cannot hold."""
    if form is Format.JWKS:
        return Entry(credential.id, Sealed(json.dumps(jwks.public(credential.id, credential.value))))
    if form is Format.CA_BUNDLE:
        return Entry(credential.id, Sealed(certificates.entry_text(credential.value)))
    return Entry(credential.id, credential.value)


def same(form: Format, entry: Entry, credential: Credential) -> bool:
    """Does this entry accept this very key?"""
    if form is Format.JWKS:
        return jwks.same(json.loads(entry.value.reveal_text()), credential.value)
    if form is Format.CA_BUNDLE:
        return certificates.same(entry.value.reveal_text(), credential.value)
    return entry.value == credential.value


def read(form: Format, data: Sealed, where: str) -> Ring:
    """The ring that these bytes are.

    Raises:
        Misconfigured: they are not of this format, empty, or could not be written again byte for byte.
    """
    text = _text(data)
    entries = None if text is None else _entries(form, text)
    if entries:
        document = _document(form, entries)
        for number, dump in enumerate(_STYLES[form]):
            if dump(document) == text:
                return Ring(form, entries, number)
    raise Misconfigured(
        "AcceptorsUnreadable",
        f"{where} is not of the format {form}, holds no key, or could not be written again exactly as it is: "
        "write it in a usual style, without comments, empty lines or repeated ids.",
    )


# ------------------------------------------------------------------------------------------------------- inside


def _place(number: int) -> str:
    return f"entry-{number}"


def _text(data: Sealed) -> str | None:
    try:
        return data.reveal_text()
    except Unsuitable:
        return None


def _entries(form: Format, text: str) -> tuple[Entry, ...] | None:
    if form is Format.LINES:
        return _listed(text.split("\n"))
    if form is Format.COMMA_LIST:
        return _listed(text.split(","))
    if form is Format.CA_BUNDLE:
        found = certificates.blocks(text)
        return None if found is None else tuple(Entry(certificates.name_of(one), Sealed(one)) for one in found)
    document = _parsed(text)
    if not isinstance(document, dict):
        return None
    fields = cast("dict[str, object]", document)
    return _mapped(fields) if form is Format.JSON_MAP else _public(fields.get("keys"))


def _parsed(text: str) -> object:
    """Python's own error would carry the text."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def _listed(parts: Sequence[str]) -> tuple[Entry, ...]:
    return tuple(Entry("", Sealed(part.strip())) for part in parts if part.strip())


def _mapped(fields: Mapping[str, object]) -> tuple[Entry, ...] | None:
    if not all(isinstance(value, str) and value.strip() for value in fields.values()):
        return None
    return tuple(Entry(id_, Sealed(str(value))) for id_, value in fields.items())


def _public(keys: object) -> tuple[Entry, ...] | None:
    if not isinstance(keys, list):
        return None
    found: list[Entry] = []
    for key in cast("list[object]", keys):
        kid = cast("Mapping[str, object]", key).get("kid") if isinstance(key, dict) else None
        if not isinstance(kid, str) or not kid or kid in {one.id for one in found}:
            return None
        found.append(Entry(kid, Sealed(json.dumps(key))))
    return tuple(found)


def _document(form: Format, entries: Sequence[Entry]) -> Any:
    texts = [one.value.reveal_text() for one in entries]
    match form:
        case Format.JSON_MAP:
            return {one.id: text for one, text in zip(entries, texts, strict=True)}
        case Format.JWKS:
            return {"keys": [json.loads(text) for text in texts]}
        case Format.LINES | Format.COMMA_LIST:
            return texts
        case Format.CA_BUNDLE:
            return list(dict.fromkeys(texts))


def _ended(dump: Dump, end: str) -> Dump:
    return lambda document: dump(document) + end


_LAYOUTS: Final[tuple[Mapping[str, Any], ...]] = ({"separators": (",", ":")}, {}, {"indent": 2}, {"indent": 4})
_DUMPS: Final = tuple(
    partial(json.dumps, ensure_ascii=ascii_only, **layout) for ascii_only in (False, True) for layout in _LAYOUTS
)
_JSON: Final[tuple[Dump, ...]] = tuple(_ended(dump, end) for dump in _DUMPS for end in ("", "\n"))
_STYLES: Final[Mapping[Format, tuple[Dump, ...]]] = {
    Format.JSON_MAP: _JSON,
    Format.JWKS: _JSON,
    Format.LINES: tuple(_ended("\n".join, end) for end in ("", "\n")),
    Format.CA_BUNDLE: tuple(_ended(gap.join, end) for gap in ("\n", "\n\n") for end in ("\n", "")),
    Format.COMMA_LIST: tuple(_ended(comma.join, end) for comma in (",", ", ") for end in ("", "\n")),
}
