"""Preflight's own checklist: what would make a rotation unsafe here. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from keyturn.core.model import Problem
from keyturn.ports import Checklist, Credential
from keyturn.providers.role_accounts.connections import Connector
from keyturn.providers.role_accounts.dialect import Dialect
from keyturn.providers.role_accounts.settings import Settings
from keyturn.providers.telling import listed

_SERVER: Final = "SELECT VERSION(), keyturn.procedures_version(), @@max_connections"


@dataclass(frozen=True, slots=True)
class Account:
    """What ``keyturn.preflight`` tells of one account."""

    name: str
    host_rows: int
    plugin: str
    default_role: str
    access: int
    roles: str | None
    own_rights: int
    limits: str
    owner_is_role: int
    owner_access: int
    anonymous: int
    definer_of: str | None
    connected: int
    sessions: int


async def go_through(connector: Connector, settings: Settings, current: Credential | None) -> Checklist:
    """Everything that blocks. Raises Misconfigured if the procedures are missing."""
    async with connector.admin() as wire:
        ((version, installed, most),) = await wire.ask(_SERVER)
        rows = await wire.ask("CALL keyturn.preflight(%s)", [settings.plan])
    accounts = {str(row[0]): Account(*row) for row in rows}
    problems = [*_server(str(version), int(installed), settings.dialect), *_room(accounts, int(most), current)]
    problems += _owner(accounts, settings)
    for name in settings.slots:
        problems += _slot(name, accounts.get(name), settings)
    if len({account.limits for account in accounts.values()}) > 1:
        problems.append(
            Problem(
                "LimitsDiffer",
                "the slots differ in REQUIRE, MAX_… or password expiry, so the next one would behave otherwise: make "
                "them equal with ALTER USER",
            )
        )
    return Checklist(tuple(problems))


def _server(version: str, installed: int, dialect: Dialect) -> Iterator[Problem]:
    numbers = tuple(int(part) for part in version.split("-", 1)[0].split(".")[:2] if part.isdigit())
    if not dialect.is_family(version) or numbers < dialect.oldest:
        needed = f"{dialect.title} {'.'.join(map(str, dialect.oldest))} or newer"
        yield Problem("ServerTooOld", f"the server says it is {version}; Keyturn needs {needed}")
    if installed != dialect.procedures:
        yield Problem("ProceduresOutdated", "the installed procedures are of another version: run procedures.sql again")


def _room(accounts: dict[str, Account], most: int, current: Credential | None) -> Iterator[Problem]:
    if any(not account.connected for account in accounts.values()):  # the rotator itself is, just now
        yield Problem(
            "SessionsHidden",
            "the server lists no sessions, not even the rotator's: start it with performance_schema=ON",
        )
    known = accounts.get(current.id) if current else None
    if known is not None and known.connected + known.sessions > most:
        yield Problem(
            "TooFewConnections",
            f"the server admits {most} connections, and during the roll consumers may hold "
            f"{known.connected + known.sessions}; raise max_connections",
        )


def _owner(accounts: dict[str, Account], settings: Settings) -> Iterator[Problem]:
    for account in accounts.values():
        if not account.owner_is_role:
            yield Problem("OwnerMissing", f"{settings.owner} is no role: CREATE ROLE, and GRANT it what consumers need")
        elif account.owner_access & settings.dialect.administers:
            yield Problem(
                "OwnerTooPowerful", f"{settings.owner} may administer the server; Keyturn does not rotate that: revoke"
            )
        if account.anonymous:
            yield Problem("AnonymousAccount", "there is an account without a name, which may match first: drop it")
        return


def _slot(name: str, account: Account | None, settings: Settings) -> Iterator[Problem]:
    if account is None:
        yield Problem("AccountNotAdmitted", f"{name} is not in the rotator's list: CALL keyturn.admit(…) for this plan")
        return
    if account.host_rows != 1:
        yield Problem(
            "SeveralHosts", f"{name} has {account.host_rows} rows for different hosts, each with a password: keep one"
        )
    plugin = settings.dialect.plugin
    if account.plugin != plugin:
        yield Problem("OtherPlugin", f"{name} logs in by {account.plugin}; set it to {plugin} alone")
    if account.default_role != settings.owner or account.roles != settings.owner:
        yield Problem(
            "RolesDiffer", f"{name} must have {settings.owner} as its only role and as its default: admit it again"
        )
    if account.definer_of:
        objects = listed(account.definer_of.split(", "))
        yield Problem(
            "DefinerIsSlot",
            f"{name} is the DEFINER of {objects}: other accounts may not use that, for a definer's "
            f"role does not count; make it anew with DEFINER = {settings.owner}",
        )
    if account.access or account.own_rights:
        yield Problem(
            "OwnRights", f"{name} has rights of its own beside the role, which the next one would not have: move them"
        )
