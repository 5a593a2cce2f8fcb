"""Preflight: everything about the server, the roles and the data that would make a rotation unsafe. Changes nothing.

Every finding is a Problem with the way out. What cannot be asked with the rotator's rights is said, not passed over.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from keyturn.core.model import Problem
from keyturn.ports import Credential
from keyturn.providers.postgres.checks_objects import OBJECT_CHECKS
from keyturn.providers.postgres.checks_roles import ROLE_CHECKS
from keyturn.providers.postgres.checks_server import SERVER_CHECKS, endpoint_problems
from keyturn.providers.postgres.connections import Connection, Connector
from keyturn.providers.postgres.findings import Findings
from keyturn.providers.postgres.settings import Settings

Check = Callable[[Connection, Findings], Awaitable[None]]
_CHECKS: Final[tuple[Check, ...]] = (*SERVER_CHECKS, *ROLE_CHECKS, *OBJECT_CHECKS)


@dataclass(frozen=True, slots=True)
class Checklist:
    """What blocks, and what nobody could be asked about."""

    problems: tuple[Problem, ...]
    not_asked: tuple[Problem, ...]


async def go_through(
    connector: Connector, connection: Connection, settings: Settings, current: Credential | None
) -> Checklist:
    """All checks, in order. Raises what the connection raises."""
    findings = Findings(settings, current.id if current else "")
    for check in _CHECKS:
        await check(connection, findings)
    if current is not None:
        for endpoint in settings.endpoints:
            await endpoint_problems(connector, endpoint, current, findings)
    return Checklist(findings.problems, findings.not_asked)
