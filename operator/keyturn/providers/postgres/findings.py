"""What the checks of Preflight collect, and how they ask. Knows no SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from keyturn.core.model import Problem
from keyturn.ports import Checklist
from keyturn.providers.postgres.connections import Connection
from keyturn.providers.postgres.settings import Settings


class Findings:
    """Problems that block, and notes on what could not be asked."""

    def __init__(self, settings: Settings, current: str, clients: Sequence[str] = ()) -> None:
        self.settings = settings
        self.current = current  # role name; "" when nobody knows it yet
        self.clients = tuple(dict.fromkeys(clients))  # addresses of the consumers' pods
        self._problems: list[Problem] = []
        self._not_asked: list[Problem] = []

    @property
    def checklist(self) -> Checklist:
        """In the words of the port, in the order it was found."""
        return Checklist(tuple(self._problems), tuple(self._not_asked))

    @property
    def callable(self) -> bool:
        """May the installed functions be called? Not if they are missing, or somebody else's."""
        return not any(problem.reason in {"FunctionsMissing", "FunctionsNotTrusted"} for problem in self._problems)

    def block(self, reason: str, message: str) -> None:
        """Something that blocks."""
        self._problems.append(Problem(reason, message))

    def note(self, reason: str, message: str) -> None:
        """Something that could not be asked."""
        self._not_asked.append(Problem(reason, message))


async def ask(
    connection: Connection, query: str, parameters: Sequence[object] | Mapping[str, object] | None = None
) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    cursor = await connection.execute(query.encode(), parameters)
    return await cursor.fetchall()
