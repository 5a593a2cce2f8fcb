"""How one server's family differs from the other, as values. Asks no server anything."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from keyturn.api.backends import Backend
from keyturn.core.sealed import Sealed
from keyturn.ports import Capabilities


@dataclass(frozen=True, slots=True)
class Dialect:
    """All that the shared code asks about the family."""

    backend: Backend
    title: str
    able: Capabilities
    procedures: int  # the version that ``keyturn.procedures_version`` must give
    oldest: tuple[int, int]
    is_family: Callable[[str], bool]  # of what VERSION() says
    plugin: str  # by which slots log in
    hash_of: Callable[[str, Sealed], str]  # account and value -> what the server keeps; the same each time
    locked: int  # the number of "the password is right, the account is locked"
    administers: int  # bits of ``keyturn.preflight``'s owner_access that no owner may have
    identity: str  # SQL: the server's own identifier
    boot: str  # SQL: one row, since when the server runs, in seconds since 1970
    roles_of: Callable[[str], Collection[str]]  # what CURRENT_ROLE() says -> names of the roles that count just now

    @property
    def field(self) -> str:
        """Of spec, and the first part of a system's name."""
        return self.backend.field
