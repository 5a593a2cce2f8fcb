"""Which addresses may be called at all, and what a host name means just now: looked up once, checked, then called.

    a provider's field ---- host name ---- resolve ---- [10.3.0.7] ---- connect to 10.3.0.7, TLS for the host name
                                            |
                             every address is checked; one that is refused refuses all

Between the check and the call nobody asks for the name again, so an answer that changes meanwhile changes nothing
(DNS rebinding: https://cheatsheetseries.owasp.org/cheatsheets/Server_Side_Request_Forgery_Prevention_Cheat_Sheet.html).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from keyturn.ports import Misconfigured, Unavailable

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Addresses of a host, as text. Raises OSError."""

METADATA: Final = frozenset(
    ip_address(text)
    for text in (
        "169.254.169.254",  # most clouds
        "fd00:ec2::254",  # AWS, https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
        "fd20:ce::254",  # Google, https://cloud.google.com/compute/docs/metadata/querying-metadata
        "100.100.100.200",  # Alibaba, https://www.alibabacloud.com/help/en/ecs/user-guide/view-instance-metadata
        "168.63.129.16",  # Azure, https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
    )
)
_THIS_NETWORK: Final = IPv4Network("0.0.0.0/8")
_NAT64: Final = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))


def refusal(text: str, *, loopback: bool) -> str:
    """Why this address is never called, in a word; empty if it may be. ``loopback``: that alone is allowed."""
    address = ip_address(text.partition("%")[0])
    for one in (address, *_inner(address)):
        if one.is_loopback:
            if not loopback:
                return "loopback"
        elif one.is_unspecified or (isinstance(one, IPv4Address) and one in _THIS_NETWORK):
            return "unspecified"
        elif one in METADATA:
            return "metadata"
        elif one.is_link_local:
            return "link-local"
        elif one.is_multicast or (isinstance(one, IPv4Address) and one.is_reserved):
            return "multicast or reserved"
    return ""


def _inner(address: Address) -> tuple[Address, ...]:
    """IPv4 addresses that an IPv6 address only wraps: whoever calls it may end up there."""
    if not isinstance(address, IPv6Address):
        return ()
    if any(address in network for network in _NAT64):
        return (IPv4Address(int(address) & 0xFFFFFFFF),)
    found = (address.ipv4_mapped, address.sixtofour, *(address.teredo or ()))
    compatible = IPv4Address(int(address)) if 1 < int(address) < 2**32 else None  # ::127.0.0.1, long deprecated
    return tuple(one for one in (*found, compatible) if one is not None)


async def looked_up(host: str, port: int) -> Sequence[str]:
    """By the system's own resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(place[4][0]) for place in found))


async def callable_addresses(field: str, host: str, port: int, resolve: Resolve, *, loopback: bool) -> tuple[str, ...]:
    """Where this host, which stands in this field of a provider, may be called just now, each once.

    Raises:
        Unavailable: nobody knows the name at the moment.
        Misconfigured: it leads, even if only among others, to an address that is never called.
    """
    try:
        found = tuple(await resolve(host, port))
    except (OSError, UnicodeError):
        found = ()
    if not found:
        raise Unavailable("HostUnknown", f"The host of spec.{field} has no address just now: see the cluster's DNS.")
    for text in found:
        if why := refusal(text, loopback=loopback):
            raise Misconfigured(
                "AddressRefused",
                f"The host of spec.{field} leads to a {why} address, which Keyturn never calls: give the server an "
                "address of its own, a Service above all.",
            )
    return found
