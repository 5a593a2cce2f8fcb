"""Templates of the consumers' Secret: from a credential to its keys, and from the keys back to the credential. Pure.

A rotation may change user name and password and nothing else, so adoption demands that rendering what was extracted
gives back every managed key byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

from keyturn.core.sealed import Sealed, Unsuitable

PARTS = ("privateKey", "certificate", "ca")  # of a password that is a private key with its certificates, in PEM
PLACEHOLDERS = ("username", "password", *PARTS, "host", "port", "database")
_FIELD = re.compile(r"\{(\w+)\}")
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\n.+?\n-----END \1-----\n?", re.DOTALL)


class TemplateMismatch(ValueError):
    """The Secret's value and the template do not fit; the message names the key, never the value."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a credential is used; comes from the provider, never from the plan's author."""

    host: str
    port: int
    database: str


@dataclass(frozen=True, slots=True)
class Login:
    """A user name and a sealed password."""

    username: str
    password: Sealed


def unknown_placeholders(template: str) -> tuple[str, ...]:
    """Placeholders that nobody fills."""
    return tuple(name for name in _FIELD.findall(template) if name not in PLACEHOLDERS)


def holds_secret(template: str) -> bool:
    """Does it hold the password, or the part of it that nobody else may have?"""
    return "{password}" in template or "{privateKey}" in template


def tells_apart(template: str) -> bool:
    """Does it hold something of the credential, so that two of them can be told apart by it?"""
    return any(f"{{{name}}}" in template for name in ("username", "password", *PARTS))


def render(templates: Mapping[str, str], login: Login, place: Place) -> dict[str, Sealed]:
    """Every managed key's value for this credential. In a URL, names and the password are percent-encoded."""
    return {key: _fill(template, login, place) for key, template in templates.items()}


def extract(templates: Mapping[str, str], data: Mapping[str, Sealed], place: Place) -> Login:
    """The credential that these keys hold.

    Raises:
        TemplateMismatch: a key is missing, does not fit its template, disagrees with another key, or would not be
            rendered back byte for byte.
    """
    found: dict[str, str] = {}
    for key, template in templates.items():
        if key not in data:
            raise TemplateMismatch(f"the Secret has no key {key}")
        for name, value in _read(key, template, data[key], place).items():
            if found.setdefault(name, value) != value:
                raise TemplateMismatch(f"key {key} and another key hold different values for {{{name}}}")
    if all(found.get(part) for part in PARTS):
        found.setdefault("password", "".join(found[part] for part in PARTS))
    if not found.get("username") or not found.get("password"):
        raise TemplateMismatch(
            "the templates name no {username} and {password} (or {privateKey}, {certificate} and {ca}) that could be "
            "read from the Secret"
        )
    login = Login(found["username"], Sealed(found["password"]))
    for key, value in render(templates, login, place).items():
        if value != data[key]:
            raise TemplateMismatch(f"rendering the current credential does not give back key {key} byte for byte")
    return login


def _fill(template: str, login: Login, place: Place) -> Sealed:
    password = login.password.reveal_text()
    url = "://" in template
    values = _parts(password) | {
        "username": quote(login.username, safe="") if url else login.username,
        "password": quote(password, safe="") if url else password,
        "host": place.host,
        "port": str(place.port),
        "database": quote(place.database, safe="") if url else place.database,
    }
    return Sealed(_FIELD.sub(lambda found: values[found.group(1)], template))


def _parts(password: str) -> dict[str, str]:
    """The private key, its own certificate with those between, and the authority's, which stands last.

    Label by label, as RFC 7468 writes PEM: what is in a block is nobody's business here.
    """
    blocks = [(found[1], found[0]) for found in _BLOCK.finditer(password)]
    certificates = [text for label, text in blocks if label == "CERTIFICATE"]
    key = "".join(text for label, text in blocks if label != "CERTIFICATE")
    return dict(zip(PARTS, (key, "".join(certificates[:-1]), "".join(certificates[-1:])), strict=True))


def _read(key: str, template: str, value: Sealed, place: Place) -> dict[str, str]:
    url = "://" in template
    database = quote(place.database, safe="") if url else place.database
    known = {"host": place.host, "port": str(place.port), "database": database}
    seen: set[str] = set()
    pattern = ""
    for i, part in enumerate(_FIELD.split(template)):
        if i % 2 == 0:
            pattern += re.escape(part)
        elif part in known:
            pattern += re.escape(known[part])
        elif part in seen:
            pattern += f"(?P={part})"
        else:
            seen.add(part)
            pattern += f"(?P<{part}>.+?)"
    try:
        found = re.fullmatch(pattern, value.reveal_text(), re.DOTALL)
    except Unsuitable:
        found = None
    if found is None:
        raise TemplateMismatch(f"key {key} does not look like its template; check host, port, database and options")
    return {name: unquote(text) if url else text for name, text in found.groupdict().items()}
