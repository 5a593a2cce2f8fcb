"""AWS as the fault tests' proxy understands it: one HTTP message after the other, named by the action in its form."""

from __future__ import annotations

import re
from asyncio import StreamReader
from collections.abc import AsyncGenerator
from urllib.parse import parse_qs

_LENGTH = re.compile(rb"(?im)^content-length: *(\d+)\r$")


class IamSpeech:
    """One connection. Bodies have a length, both ways."""

    async def requests(self, reader: StreamReader) -> AsyncGenerator[tuple[bytes, str]]:
        while True:
            head, body = await _message(reader)
            yield head + body, label(body)

    async def answers(self, reader: StreamReader) -> AsyncGenerator[tuple[bytes, bool]]:
        while True:
            head, body = await _message(reader)
            yield head + body, True


async def _message(reader: StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    return head, await reader.readexactly(int(length[1])) if length else b""


def label(body: bytes) -> str:
    """What is asked for, never of whom: ``UpdateAccessKey Inactive``."""
    words = parse_qs(body.decode())
    return " ".join([*words.get("Action", ["?"]), *words.get("Status", [])])
