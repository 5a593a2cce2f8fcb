"""The backends that the fault tests run over, by their name in ``--replay``. The first is tried most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from support.iam_ware import IamWare
from support.postgres_ware import PostgresWare
from support.redis_ware import RedisWare
from support.ware import Ware

WARES: Final[Mapping[str, type[Ware]]] = {ware.field: ware for ware in (PostgresWare, RedisWare, IamWare)}
