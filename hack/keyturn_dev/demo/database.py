"""The shop's PostgreSQL, asked from inside its pod: its roles, its sessions, and its own log, the judge of the demo."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from keyturn_dev.demo.kubectl import Kubectl
from keyturn_dev.demo.part import Account, Trace

_ROLES = """
SELECT coalesce(json_agg(json_build_object(
  'name', rolname, 'login', rolcanlogin, 'verifier', CASE WHEN rolcanlogin THEN rolpassword END, 'limit', rolconnlimit,
  'attributes', array[rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls],
  'until', rolvaliduntil,
  'settings', (SELECT json_agg(setconfig ORDER BY setdatabase) FROM pg_db_role_setting WHERE setrole = r.oid),
  'member_of', (SELECT json_agg(roleid::regrole::text ORDER BY 1) FROM pg_auth_members WHERE member = r.oid)
) ORDER BY rolname), '[]') FROM pg_authid r WHERE rolname NOT LIKE 'pg\\_%'
"""
_VERIFIERS = "SELECT json_object_agg(rolname, coalesce(rolpassword, '')) FROM pg_authid"
_SESSIONS = "SELECT usename FROM pg_stat_activity WHERE usename IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the server's log that matters here."""

    at: datetime
    severity: str
    state: str
    role: str
    address: str
    session: str
    message: str
    detail: str


@dataclass(frozen=True, slots=True)
class Database:
    """One server: a pod of a StatefulSet."""

    kubectl: Kubectl
    namespace: str
    pod: str = "postgres-0"
    name: str = "shop"

    def ask(self, sql: str) -> str:
        """One answer, unaligned, as the superuser over the local socket."""
        command = ["psql", "--no-psqlrc", "-qtAX", "-v", "ON_ERROR_STOP=1", "-h", "/tmp", "-U", "postgres", self.name]  # noqa: S108 - the socket's place in the pod
        return self.kubectl.exec(self.namespace, self.pod, "postgres", command, stdin=sql).strip()

    def roles(self) -> dict[str, dict[str, Any]]:
        """Every role of ours, with the verifiers of those that can log in."""
        return {role["name"]: role for role in json.loads(self.ask(_ROLES))}

    def accounts(self) -> Mapping[str, Account]:
        """See Server: every role, with what the server stores as its password, a verifier."""
        stored = json.loads(self.ask(_VERIFIERS))
        roles = self.roles()
        rest = {name: {key: value for key, value in role.items() if key != "verifier"} for name, role in roles.items()}
        return {name: Account(role["login"], stored[name], rest[name]) for name, role in roles.items()}

    def sessions(self, name: str) -> int:
        """See Server: by who they authenticated as."""
        return self.ask(_SESSIONS).split().count(name)

    def refused(self, names: frozenset[str], since: datetime, leave_out: frozenset[str]) -> list[str]:
        """See Server."""
        log = [line for line in self.log() if line.at >= since]
        return [f"{line.role} from {line.address}: {line.state}" for line in refusals(log, names, leave_out=leave_out)]

    def trace(self, name: str, since: datetime, leave_out: frozenset[str]) -> Trace:
        """See Server."""
        log = self.log()
        return Trace("last session's end", last_end(log, name, leave_out=leave_out), first_shut(log, name, since=since))

    def take_away(self, name: str) -> None:
        """See Server. Who is connected stays connected."""
        self.ask(f"ALTER ROLE {name} NOLOGIN")

    def system_identifier(self) -> str:
        """The identifier that clones share."""
        return self.ask("SELECT system_identifier FROM pg_control_system()")

    def log_text(self) -> str:
        """The whole log, as the server wrote it."""
        return self.kubectl.exec(self.namespace, self.pod, "postgres", ["cat", "/var/log/postgres/postgres.json"])

    def log(self) -> list[Line]:
        """The whole log, parsed."""
        return [parsed(text) for text in self.log_text().splitlines() if text.strip()]


def parsed(text: str) -> Line:
    """One line of the server's JSON log."""
    entry = json.loads(text)
    moment = datetime.strptime(entry["timestamp"], "%Y-%m-%d %H:%M:%S.%f UTC").replace(tzinfo=UTC)
    return Line(
        at=moment,
        severity=entry.get("error_severity", ""),
        state=entry.get("state_code", ""),
        role=entry.get("user", ""),
        address=entry.get("remote_host", ""),
        session=entry.get("session_id", ""),
        message=entry.get("message", ""),
        detail=entry.get("detail", ""),
    )


def logins(log: Sequence[Line], role: str, *, leave_out: frozenset[str] = frozenset()) -> list[Line]:
    """Logins as this role that succeeded, but for those from these addresses."""
    return [
        line
        for line in log
        if line.role == role and line.message.startswith("connection authorized") and line.address not in leave_out
    ]


def refusals(log: Sequence[Line], roles: frozenset[str], *, leave_out: frozenset[str] = frozenset()) -> list[Line]:
    """Logins as one of these roles that the server refused: class 28, and a full house."""
    return [
        line
        for line in log
        if line.severity == "FATAL"
        and line.role in roles
        and (line.state.startswith("28") or line.state == "53300")
        and line.address not in leave_out
    ]


def last_end(log: Sequence[Line], role: str, *, leave_out: frozenset[str] = frozenset()) -> datetime | None:
    """When the last session of this role ended; None while one is open, or when there was none.

    A role without LOGIN is refused after its password was found right: authorized, then FATAL, and no disconnection.
    """
    begun = {line.session for line in logins(log, role, leave_out=leave_out)}
    over = [line for line in log if line.message.startswith("disconnection:") or line.severity == "FATAL"]
    ended = {line.session: line.at for line in over}
    if not begun or begun - ended.keys():
        return None
    return max(ended[session] for session in begun)


def first_shut(log: Sequence[Line], role: str, *, since: datetime) -> datetime | None:
    """When somebody first took LOGIN from this role: by the rotator's function, or by ALTER ROLE itself."""
    for line in log:
        if line.at < since:
            continue
        changes = ("keyturn.disable(", "keyturn.contain(")
        by_function = any(change in line.message for change in changes) and f"'{role}'" in line.detail
        if by_function or ("NOLOGIN" in line.message and role in line.message):
            return line.at
    return None
