"""PostgreSQL as the fault tests' proxy understands it: where a round trip ends, and what it is called.

As much of the protocol as that takes (https://www.postgresql.org/docs/current/protocol-message-formats.html).
"""

from __future__ import annotations

import re
from asyncio import StreamReader
from collections.abc import AsyncGenerator

_SSL_REQUEST = 80877103
_ENDS_A_REQUEST = frozenset({b"", b"p", b"Q", b"S"})  # startup, password, simple query, sync
_ENDS_AN_ANSWER = frozenset({b"Z", b"R"})  # ready for query, authentication asks
_LEAVES = b"X"
_HEADER = 5


class PostgresSpeech:
    """One connection. A request is named by its statement."""

    def __init__(self) -> None:
        self._plain = True  # before the startup message one byte without a length answers the wish for TLS

    async def requests(self, reader: StreamReader) -> AsyncGenerator[tuple[bytes, str]]:
        batch = b""
        async for kind, message in self._messages(reader):
            batch += message
            if kind in _ENDS_A_REQUEST:
                yield batch, _label(batch, kind)
            elif kind == _LEAVES:
                yield batch, ""
            else:
                continue
            batch = b""

    async def answers(self, reader: StreamReader) -> AsyncGenerator[tuple[bytes, bool]]:
        while True:
            if self._plain:
                message = await reader.readexactly(1)
                self._plain = False
            else:
                header = await reader.readexactly(_HEADER)
                message = header + await reader.readexactly(int.from_bytes(header[1:], "big") - 4)
            yield message, message[:1] in _ENDS_AN_ANSWER

    async def _messages(self, reader: StreamReader) -> AsyncGenerator[tuple[bytes, bytes]]:
        """(kind, whole message)."""
        head = await reader.readexactly(8)
        if int.from_bytes(head[4:], "big") == _SSL_REQUEST:
            yield _LEAVES, head
            head = await reader.readexactly(8)
        else:
            self._plain = False
        yield b"", head + await reader.readexactly(int.from_bytes(head[:4], "big") - 8)
        while True:
            header = await reader.readexactly(_HEADER)
            yield header[:1], header + await reader.readexactly(int.from_bytes(header[1:], "big") - 4)


def _label(batch: bytes, kind: bytes) -> str:
    """The first words of the statement, without anything that changes from run to run. Never a parameter."""
    if kind == b"":
        found = re.search(rb"application_name\0keyturn/([a-z-]+)", batch)
        return f"login {found[1].decode() if found else ''}"
    if kind == b"p":
        return "password"
    start = batch.find(b"\0", _HEADER) + 1 if batch[:1] == b"P" else _HEADER
    statement = batch[start : batch.find(b"\0", start)].decode(errors="replace")
    return " ".join(re.split(r"[(',;]", statement)[0].split())[:60]
