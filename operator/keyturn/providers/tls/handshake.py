"""One look at what a pod presents: a handshake as a verifier does it, which trusts one authority and nothing else.

    1. trusting only that root, for the declared name      done: this certificate, and it is accepted
    2. refused by us: once more, trusting anything         only to see whose certificate it is; nothing is sent

Nothing is written to the connection. No file of the pod is looked at: what it presents is what it uses.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

_SECONDS: Final = 3.0  # for one handshake with a pod of the same cluster


@dataclass(frozen=True, slots=True)
class Presented:
    """What stood at an address."""

    certificate: bytes = b""  # the leaf as it came over the wire (DER); empty: there was no handshake
    accepted: bool = False  # by whoever trusts that root only, for that name
    why: str = ""  # there was no handshake


Dial = Callable[[str, int, str, str], Awaitable[Presented]]
"""(address, port, name, the trusted root in PEM). Never raises for a pod."""


async def dial(address: str, port: int, name: str, root: str) -> Presented:
    """As above, in at most twice three seconds."""
    try:
        return Presented(await _leaf(_trusting(root), address, port, name), accepted=True)
    except ssl.SSLCertVerificationError:
        pass
    except (OSError, TimeoutError, ValueError) as failed:
        return Presented(why=_why(failed))
    try:
        return Presented(await _leaf(_trusting_anything(), address, port, name))
    except (OSError, TimeoutError, ValueError) as failed:
        return Presented(why=_why(failed))


def _trusting(root: str) -> ssl.SSLContext:
    """Verifiers that do not ask for more than RFC 5280: the strictest ones are asked before anything is presented."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=root)
    return context


def _trusting_anything() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _leaf(context: ssl.SSLContext, address: str, port: int, name: str) -> bytes:
    context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=name)  # no socket is opened for what is no name
    async with asyncio.timeout(_SECONDS):
        _, writer = await asyncio.open_connection(address, port, ssl=context, server_hostname=name)
    try:
        over: ssl.SSLObject = writer.get_extra_info("ssl_object")
        return over.getpeercert(binary_form=True) or b""
    finally:
        writer.transport.abort()


def _why(failed: Exception) -> str:
    """Fixed words: the library's own may hold what the other side sent."""
    match failed:
        case ssl.SSLError():
            return "it does not speak TLS there, or breaks the handshake off"
        case TimeoutError():
            return f"it does not answer within {_SECONDS:.0f} s: does a NetworkPolicy let Keyturn in?"
        case ValueError():
            return "the plan's first name is none that a server could be asked for"
        case _:
            return "nothing listens there, or it cannot be reached"
