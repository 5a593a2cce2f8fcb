"""Redis as the fault tests' proxy understands it: where a command and its answer end, and what the command is called.

As much of the protocol as that takes (https://redis.io/docs/latest/develop/reference/protocol-spec/), version 2.
"""

from __future__ import annotations

from asyncio import StreamReader
from collections.abc import AsyncGenerator, Sequence

_FAMILIES = frozenset({"ACL", "CLIENT", "CLUSTER", "CONFIG"})  # what they do is in the second word
_TOLD_OF_USERS = frozenset({"reset", "on", "off", "resetpass"})  # the words of ACL SETUSER that hold no value


class RedisSpeech:
    """One connection. A command is named by its first words."""

    async def requests(self, reader: StreamReader) -> AsyncGenerator[tuple[bytes, str]]:
        while True:
            head = await reader.readuntil(b"\r\n")
            words, whole = list[bytes](), head
            for _ in range(int(head[1:])):
                length = await reader.readuntil(b"\r\n")
                word = await reader.readexactly(int(length[1:]) + 2)
                words.append(word[:-2])
                whole += length + word
            yield whole, label(words)

    async def answers(self, reader: StreamReader) -> AsyncGenerator[tuple[bytes, bool]]:
        while True:
            yield await _answer(reader), True


async def _answer(reader: StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n")
    kind, size = head[:1], head[1:-2]
    if kind == b"$" and int(size) >= 0:
        return head + await reader.readexactly(int(size) + 2)
    if kind == b"*":
        return head + b"".join([await _answer(reader) for _ in range(int(size))])
    return head


def label(words: Sequence[bytes]) -> str:
    """What a command does, never to whom: ``ACL SETUSER reset on``."""
    text = [word.decode(errors="replace") for word in words[:2]]
    name = " ".join(text).upper() if text[0].upper() in _FAMILIES else text[0].upper()
    if name != "ACL SETUSER":
        return name
    told = [word.decode(errors="replace") for word in words[3:]]
    return " ".join([name, *(word for word in told if word in _TOLD_OF_USERS)])
