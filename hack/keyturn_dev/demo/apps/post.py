"""post: sends letters through RabbitMQ."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, ConnectionClosedByBroker, ProbableAccessDeniedError, ProbableAuthenticationError

from .two_ways import HOLD, TwoWays

REFUSED = {403, 530}  # access refused; not allowed, as when a user may have no connection
QUEUE = "post.letters"
FULL = {"x-max-length": 100}  # nobody reads them

TLS = ssl.create_default_context()  # as with the other backends' clients, the demo's check no certificate
TLS.check_hostname = False
TLS.verify_mode = ssl.CERT_NONE


def _connected(url: str) -> pika.BlockingConnection:
    at = pika.URLParameters(url)
    at.ssl_options = pika.SSLOptions(TLS, at.host)
    at.connection_attempts, at.socket_timeout, at.stack_timeout = 1, 5, 8
    at.blocked_connection_timeout = 5
    return pika.BlockingConnection(at)


def log_in(url: str, _name: str) -> str:
    """One login of the witness: ``ok``, ``refused`` when the server said no, ``unreachable`` when nobody could tell."""
    try:
        _connected(url).close()
    except (ProbableAuthenticationError, ProbableAccessDeniedError):
        return "refused"
    except ConnectionClosedByBroker as closed:
        return "refused" if closed.reply_code in REFUSED else "unreachable"
    except (AMQPError, OSError):
        return "unreachable"
    return "ok"


def _send(channel: BlockingChannel, letter: str) -> None:
    channel.queue_declare(QUEUE, arguments=FULL)
    channel.basic_publish("", QUEUE, letter.encode())


def _write(url: str) -> Callable[[], None]:
    kept: list[BlockingChannel] = []

    def write() -> None:
        if not kept or not kept[0].is_open:  # pyright: ignore[reportUnknownMemberType]
            kept[:] = [_connected(url).channel()]
        _send(kept[0], "written")

    return write


def _stamp(url: str) -> None:
    connection = _connected(url)
    try:
        _send(connection.channel(), "stamped")
        threading.Event().wait(HOLD)
    finally:
        connection.close()


def main() -> None:
    """Send letters."""
    TwoWays("post", "AMQP_URL", (AMQPError, OSError), _write, _stamp, log_in).run()


if __name__ == "__main__":
    main()
