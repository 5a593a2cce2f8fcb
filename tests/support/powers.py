"""What somebody who holds a rotator's credential can do, tried on the real server: one thief for each backend.

To add a backend: a class that keeps ``Thief``, and a line in ``tests/incidents/conftest.py``. The server is made ready
as that backend's page tells to, with one row of data, and the backup's login beside one that nobody declared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from keyturn.ports import Credential, Provider
from support.postgres_plan import op

TAKEN = "a-password-of-the-thief-1234"  # what he sets
BACKUP, FORGOTTEN = "backup", "forgotten"  # declared as the backend's page says; and with the same rights, undeclared
THEIR_PASSWORD = "password-of-both-in-a-test"


Name = tuple[str, str]  # of the backend, and of the rotator's form there


class Thief(Protocol):
    """He has the rotator's credential and nothing else. Each method tries every way that is known, and looks."""

    name: Name

    async def reads_as_itself(self) -> bool:
        """With the rights that the rotator has: the row of data."""
        ...

    async def destroys_as_itself(self) -> bool:
        """The same rights: the row is gone."""
        ...

    async def widens(self) -> bool:
        """The rotator gives itself rights, and then reads the row as itself."""
        ...

    async def reads_as_slot(self) -> bool:
        """It sets the value of a credential that it rotates, logs in with that, and reads."""
        ...

    async def destroys_as_slot(self) -> bool:
        """The same, and the row is gone."""
        ...

    async def sees_hashes(self) -> bool:
        """What the server keeps of the password of a login that it does not rotate."""
        ...

    async def takes_backup(self) -> bool:
        """The backup's login opens with a password that the thief has set."""
        ...

    async def shuts_backup(self) -> bool:
        """The backup's login opens no more with its own password."""
        ...

    async def shuts_forgotten(self) -> bool:
        """The same of the login that nobody declared."""
        ...

    async def rules(self) -> bool:
        """He is an administrator, or runs a program as the server does."""
        ...


DEEDS: Mapping[str, str] = {
    "reads_as_itself": "reads the data as itself",
    "destroys_as_itself": "destroys it as itself",
    "widens": "gives itself rights to it",
    "reads_as_slot": "logs in as what it rotates and reads",
    "destroys_as_slot": "... and destroys",
    "sees_hashes": "sees others' password hashes",
    "takes_backup": "takes over the backup's login",
    "shuts_backup": "shuts the backup out",
    "shuts_forgotten": "shuts out a login that nobody declared",
    "rules": "becomes an administrator",
}


async def as_slot(provider: Provider, current: str) -> Credential:
    """A credential of the thief's own, made as a rotation makes one."""
    made = Credential(await provider.next_id(current), provider.mint())
    await provider.ensure(op(), made, current)
    return made


def table(measured: Mapping[Name, Mapping[str, bool]]) -> str:
    """Deed by deed, backend by backend."""
    lines = [["", *(name[part] for name in measured)] for part in (0, 1)]
    lines += [
        [words, *("yes" if could[deed] else "no" for could in measured.values())] for deed, words in DEEDS.items()
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "".join(f"{line.rstrip()}\n" for line in padded)
