"""What the fault tests' proxies call a backend's calls: the same in every run, and never with a value in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import TypeVar

import pytest

from support.redis_proxy import RedisSpeech

T = TypeVar("T")


async def _until_its_end(pieces: AsyncGenerator[T]) -> list[T]:
    found: list[T] = []
    with suppress(asyncio.IncompleteReadError):
        async for one in pieces:
            found.append(one)  # noqa: PERF401 - what came before the end counts
    return found


async def _requests(*commands: tuple[str, ...]) -> list[tuple[bytes, str]]:
    reader = asyncio.StreamReader()
    for words in commands:
        reader.feed_data(b"*%d\r\n" % len(words))
        for word in words:
            reader.feed_data(b"$%d\r\n%s\r\n" % (len(word), word.encode()))
    reader.feed_eof()
    return await _until_its_end(RedisSpeech().requests(reader))


@pytest.mark.asyncio
async def test_a_command_of_redis_is_named_by_what_it_does_and_not_to_whom() -> None:
    found = await _requests(
        ("HELLO", "2", "AUTH", "orders_a", "s3cret", "SETNAME", "keyturn-1"),
        ("ACL", "SETUSER", "off", "!9f", "reset", "on", "#c4", "~orders:*", "(~keyturn:v1 -@all)"),
        ("ACL", "SETUSER", "orders_a", "!9f", "off", "resetpass", "#c4"),
        ("acl", "list"),
        ("CLIENT", "KILL", "USER", "orders_a"),
        ("SET", "orders:line", "off\r\non"),
    )
    assert [label for _, label in found] == [
        "HELLO", "ACL SETUSER reset on", "ACL SETUSER off resetpass", "ACL LIST", "CLIENT KILL", "SET",
    ]  # fmt: skip
    assert found[-1][0].endswith(b"off\r\non\r\n")  # whole, whatever stands in a value


@pytest.mark.asyncio
async def test_an_answer_of_redis_is_carried_whole() -> None:
    whole = b"*3\r\n$6\r\na\r\nb\r\n\r\n:1\r\n*1\r\n$-1\r\n"
    reader = asyncio.StreamReader()
    reader.feed_data(b"+OK\r\n" + whole + b"-ERR no\r\n*-1\r\n")
    reader.feed_eof()
    assert await _until_its_end(RedisSpeech().answers(reader)) == [
        (b"+OK\r\n", True),
        (whole, True),
        (b"-ERR no\r\n", True),
        (b"*-1\r\n", True),
    ]
