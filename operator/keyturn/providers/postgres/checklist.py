"""Preflight: everything about the server, the roles and the data that would make a rotation unsafe. Changes nothing.

Every finding is a Problem with the way out. What cannot be asked with the rotator's rights is said, not passed over.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from keyturn.ports import Credential
from keyturn.providers.postgres.checks_admission import ADMISSION_CHECKS
from keyturn.providers.postgres.checks_objects import OBJECT_CHECKS
from keyturn.providers.postgres.checks_roles import ROLE_CHECKS
from keyturn.providers.postgres.checks_server import SERVER_CHECKS, endpoint_problems
from keyturn.providers.postgres.connections import Connection, Connector
from keyturn.providers.postgres.findings import Findings
from keyturn.providers.postgres.settings import Settings

Check = Callable[[Connection, Findings], Awaitable[None]]
_CHECKS: Final[tuple[Check, ...]] = (*SERVER_CHECKS, *ROLE_CHECKS, *OBJECT_CHECKS, *ADMISSION_CHECKS)


async def go_through(
    connection: Connection, settings: Settings, current: Credential | None, clients: Sequence[str]
) -> Findings:
    """All checks that the rotator asks, in order. Raises what the connection raises."""
    findings = Findings(settings, current.id if current else "", clients)
    for check in _CHECKS:
        await check(connection, findings)
    return findings


async def try_endpoints(connector: Connector, findings: Findings, current: Credential | None) -> None:
    """Adds what the consumers' endpoints say to the current credential. Never raises."""
    if current is not None:
        for endpoint in findings.settings.endpoints:
            await endpoint_problems(connector, endpoint, current, findings)
