"""A program that serves TLS on loopback, in a thread of the test, and verifiers that shake hands with it for real."""

from __future__ import annotations

import itertools
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

from keyturn.core.sealed import Sealed

NAME = "orders.shop.svc"
_SECONDS = 2.0
_NUMBERS = itertools.count(2)


class TlsServer:
    """One pod's server, at an address of its own; what it presents can be changed while it runs."""

    def __init__(self, port: int, value: Sealed, *, tls12: bool = False, asks_clients: bool = False) -> None:
        number = next(_NUMBERS)
        self.address = f"127.{number >> 8 & 255}.{number & 255}.9"
        self.port = port
        self._newest = ssl.TLSVersion.TLSv1_2 if tls12 else ssl.TLSVersion.TLSv1_3
        self._asks_clients = asks_clients
        self._context = self._presenting(value)
        self._listening = socket.create_server((self.address, port))
        self._listening.settimeout(_SECONDS)
        self._stopped = False
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()

    def present(self, value: Sealed) -> None:
        """From the next handshake on."""
        self._context = self._presenting(value)

    def stop(self) -> None:
        self._stopped = True
        with suppress(OSError):
            socket.create_connection((self.address, self.port), timeout=_SECONDS).close()
        self._thread.join()
        self._listening.close()

    def _presenting(self, value: Sealed) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = self._newest
        with TemporaryDirectory() as place:
            file = Path(place) / "tls.pem"
            file.write_bytes(value.reveal())
            context.load_cert_chain(file)
            if self._asks_clients:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(file)
        return context

    def _serve(self) -> None:
        while not self._stopped:
            with suppress(OSError):
                connection, _ = self._listening.accept()
                connection.settimeout(_SECONDS)
                with connection, suppress(OSError), self._context.wrap_socket(connection, server_side=True) as over:
                    over.recv(1)


def free_port() -> int:
    """One that nobody listens on, at any address of ours."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def served(port: int, value: Sealed) -> Iterator[TlsServer]:
    """For a moment."""
    server = TlsServer(port, value)
    try:
        yield server
    finally:
        server.stop()


def accepts(bundle: Sealed, address: str, port: int) -> bool:
    """Does a program that verifies with these bytes, and nothing else, connect?"""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=bundle.reveal_text())
    try:
        with socket.create_connection((address, port), timeout=_SECONDS) as plain:
            context.wrap_socket(plain, server_hostname=NAME).close()
    except ssl.SSLCertVerificationError:
        return False
    return True
