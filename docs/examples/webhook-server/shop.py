"""The system whose credentials are rotated: accounts in a file, and a door where their holders log in.

It stands for your database, and knows nothing of Keyturn but that an account may carry a tag. The door speaks JSON, a
line each way: {"id": ..., "value": ...} is answered {"ok": true} or {"ok": false}; then every {"write": ...} is. A
session is open as long as the connection. It listens on loopback, without TLS: it is a toy. Standard library only.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import hmac
import itertools
import json
import os
import secrets
from collections import deque
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


class Down(Exception):
    """Nobody can tell: the system does not answer."""


@dataclass
class Account:
    """One login. Its value is kept as a salted hash; none: nobody knows a value of it."""

    rights: list[str]
    enabled: bool = False
    salt: str = ""
    digest: str = ""
    plan: str = ""  # whose tag it carries
    tag: dict[str, Any] | None = None  # rotation, generation and epoch of the last change
    contained: bool = False  # a stranger that a rotation cut off

    def take(self, value: str) -> None:
        """From now on this value logs in, and no other."""
        self.salt = secrets.token_hex(16)
        self.digest = _hash(self.salt, value)

    def holds(self, value: str) -> bool:
        """Is this the value? In constant time."""
        return bool(self.digest) and hmac.compare_digest(self.digest, _hash(self.salt, value))


def _hash(salt: str, value: str) -> str:
    return hashlib.scrypt(value.encode(), salt=bytes.fromhex(salt), n=2**12, r=8, p=1).hex()


class Accounts:
    """All of them, in one file. Each change is a transaction: one writer at a time, and the whole file or nothing."""

    def __init__(self, home: Path) -> None:
        self._file, self._lock, self._down = home / "accounts.json", home / "accounts.lock", home / "down"

    def read(self) -> dict[str, Account]:
        """As they are now. Raises Down."""
        if self._down.exists():
            raise Down
        return {name: Account(**fields) for name, fields in json.loads(self._file.read_text()).items()}

    @contextmanager
    def changing(self) -> Generator[dict[str, Account]]:
        """What is changed within the block is kept, unless the block raises. Raises Down."""
        with self._lock.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            accounts = self.read()
            yield accounts
            self.write(accounts)

    def write(self, accounts: dict[str, Account]) -> None:
        """All at once."""
        fresh = self._file.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps({name: asdict(account) for name, account in accounts.items()}, indent=2))
        os.replace(fresh, self._file)  # noqa: PTH105 -- the word says that it is atomic

    def unplug(self, *, down: bool) -> None:
        """Let everybody find the system down, or up again."""
        self._down.touch() if down else self._down.unlink(missing_ok=True)


@dataclass
class Session:
    """Somebody who is logged in, or tried to be."""

    principal: str
    address: str
    port: int
    started: datetime
    label: str | None
    hang_up: asyncio.StreamWriter | None = field(default=None, repr=False)


class Door:
    """Where holders of accounts log in."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._numbers = itertools.count()
        self.sessions: dict[int, Session] = {}
        self.refused: deque[Session] = deque(maxlen=1000)  # the right value, of an account that is disabled

    async def open(self, port: int) -> asyncio.Server:
        """Listen. Port 0: any free one."""
        return await asyncio.start_server(self._serve, "127.0.0.1", port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = next(self._numbers)
        try:
            account = self._let_in(json.loads(await reader.readline()), number, writer)
            while account is not None and (line := await reader.readline()):
                self._say(writer, ok="write" in json.loads(line) and "write" in account.rights)
        except (Down, OSError, ValueError):
            pass  # whoever speaks no JSON, hangs up or finds the system down is let go without a word
        finally:
            self.sessions.pop(number, None)
            writer.close()

    def _let_in(self, asked: dict[str, str], number: int, writer: asyncio.StreamWriter) -> Account | None:
        account = self._accounts.read().get(asked["id"])
        holds = account is not None and account.holds(asked["value"])
        address, port = writer.get_extra_info("peername")[:2]
        caller = Session(asked["id"], address, port, datetime.now(UTC), asked.get("label"), writer)  # noqa: TID251
        ok = account is not None and holds and account.enabled
        if ok:
            self.sessions[number] = caller
        elif holds:
            self.refused.append(caller)
        self._say(writer, ok=ok)
        return account if ok else None

    def _say(self, writer: asyncio.StreamWriter, *, ok: bool) -> None:
        writer.write(json.dumps({"ok": ok}).encode() + b"\n")

    def of(self, name: str) -> list[Session]:
        """Open sessions of this account."""
        return [session for session in self.sessions.values() if session.principal == name]

    def end(self, name: str) -> int:
        """End them; how many."""
        mine = self.of(name)
        for session in mine:
            if session.hang_up is not None:
                session.hang_up.close()
        return len(mine)


class Visitor:
    """The other side of the door: what a holder's program does."""

    def __init__(self, port: int) -> None:
        self._port = port

    @asynccontextmanager
    async def log_in(self, name: str, value: str, label: str | None = None) -> AsyncGenerator[Visit | None]:
        """A session as long as the block, or None if it is refused. Raises Down."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            raise Down from None
        try:
            visit = Visit(reader, writer)
            yield visit if await visit.say({"id": name, "value": value, "label": label}) else None
        finally:
            writer.close()


@dataclass
class Visit:
    """An open session."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, words: dict[str, str | None]) -> bool:
        """Is it granted? Raises Down."""
        self.writer.write(json.dumps(words).encode() + b"\n")
        line = await self.reader.readline()
        if not line:
            raise Down
        return bool(json.loads(line)["ok"])
