"""From which local address and port each connection was dialled, the refused ones too.

The server's log tells a refused login by client address and port only, and psycopg forgets them when it fails. So our
own attempts (a login with OLD after Disable must be refused) can be told from somebody's.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Self

from psycopg import AsyncConnection
from psycopg.abc import PQGenConn
from psycopg.rows import TupleRow

Note = Callable[[str, int], None]


def dialler(note: Note) -> type[AsyncConnection[TupleRow]]:
    """The driver's connection class; each socket it dials with is told to ``note``, before the server can answer."""

    class Dialled(AsyncConnection[TupleRow]):
        @classmethod
        def _connect_gen(cls, conninfo: str = "") -> PQGenConn[Self]:
            steps = super()._connect_gen(conninfo)
            try:
                wanted = next(steps)
                while True:
                    _tell(wanted[0], note)
                    wanted = steps.send((yield wanted))
            except StopIteration as done:
                made: Self = done.value
                return made

    return Dialled


def _tell(descriptor: int, note: Note) -> None:
    with socket.socket(fileno=os.dup(descriptor)) as own:
        if own.family in {socket.AF_INET, socket.AF_INET6}:
            host, port = own.getsockname()[:2]
            note(host, port)
