"""RabbitMQ: two users that take turns, with the permissions of a common owner.

The package knows the management API, AMQP and its driver; nothing outside it does.
"""

from __future__ import annotations

from keyturn.providers.opening import Opener
from keyturn.providers.rabbitmq.kinds import ABLE, RABBITMQ

OPENER = Opener(
    RABBITMQ,
    "keyturn.providers.rabbitmq.provider",
    ABLE,
    "the management API's list of connections by user, for the whole cluster. Not seen: who is refused, proxies' "
    "clients.",
    extra="rabbitmq",
)
