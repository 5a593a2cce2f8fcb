"""An answer of the API server as ``KubeClient`` reads it, where no server runs."""

from __future__ import annotations

import json
from typing import ClassVar, Self


class Response:
    """A status and a body: JSON of whatever it is given, or these very bytes."""

    headers: ClassVar[dict[str, str]] = {}

    def __init__(self, status: int, body: object) -> None:
        self.status, self._raw = status, body if isinstance(body, bytes) else json.dumps(body).encode()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def read(self) -> bytes:
        return self._raw
