"""Addresses that are never called, however they are written and whatever they are wrapped in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from keyturn.ports import Misconfigured, Unavailable
from keyturn.providers.addresses import callable_addresses, refusal

REFUSED = {
    "127.0.0.1": "loopback",
    "127.8.9.10": "loopback",
    "::1": "loopback",
    "::ffff:127.0.0.1": "loopback",
    "::127.0.0.1": "loopback",
    "64:ff9b::7f00:1": "loopback",
    "2002:7f00:1::": "loopback",
    "0.0.0.0": "unspecified",  # noqa: S104
    "0.1.2.3": "unspecified",
    "::": "unspecified",
    "169.254.1.1": "link-local",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local",
    "::ffff:169.254.1.1": "link-local",
    "169.254.169.254": "metadata",
    "::ffff:169.254.169.254": "metadata",
    "64:ff9b::a9fe:a9fe": "metadata",
    "2002:a9fe:a9fe::": "metadata",
    "fd00:ec2::254": "metadata",
    "fd20:ce::254": "metadata",
    "100.100.100.200": "metadata",
    "168.63.129.16": "metadata",
    "224.0.0.1": "multicast or reserved",
    "255.255.255.255": "multicast or reserved",
    "ff02::1": "multicast or reserved",
}
CALLED = ("10.96.0.10", "192.168.1.5", "172.20.0.3", "fd12:3456::7", "203.0.113.9", "2001:db8::7", "100.64.0.1")


@pytest.mark.parametrize(("address", "why"), REFUSED.items())
def test_it_is_refused(address: str, why: str) -> None:
    assert refusal(address, loopback=False) == why


@pytest.mark.parametrize("address", CALLED)
def test_addresses_of_services_are_called(address: str) -> None:
    assert refusal(address, loopback=False) == ""


@pytest.mark.parametrize(("address", "why"), REFUSED.items())
def test_allowing_loopback_allows_nothing_else(address: str, why: str) -> None:
    assert refusal(address, loopback=True) == ("" if why == "loopback" else why)


def answering(*addresses: str) -> tuple[list[str], object]:
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(f"{host}:{port}")
        return addresses

    return asked, resolve


def looked_up(resolve: object) -> tuple[str, ...]:
    return asyncio.run(callable_addresses("webhook.url", "rotator.shop.svc", 8443, resolve, loopback=False))  # type: ignore[arg-type]


@pytest.mark.parametrize("address", REFUSED)
def test_one_refused_address_among_others_refuses_the_whole_name(address: str) -> None:
    _, resolve = answering("10.96.0.10", address)
    with pytest.raises(Misconfigured) as refused:
        looked_up(resolve)
    assert refused.value.reason == "AddressRefused"
    assert address not in refused.value.message  # a resolver's answer is no text of ours


def test_a_name_is_looked_up_once_and_its_addresses_are_what_is_called() -> None:
    asked, resolve = answering("10.96.0.10", "fd12:3456::7")
    assert looked_up(resolve) == ("10.96.0.10", "fd12:3456::7")
    assert asked == ["rotator.shop.svc:8443"]


def test_a_name_that_nobody_knows_says_nothing_about_the_server() -> None:
    async def nobody(_host: str, _port: int) -> Sequence[str]:
        await asyncio.sleep(0)
        raise OSError("Name or service not known")

    for resolve in (nobody, answering()[1]):
        with pytest.raises(Unavailable, match="HostUnknown"):
            looked_up(resolve)
