"""The demo's backends. Scenes, judge and tests find them here by name."""

from __future__ import annotations

from collections.abc import Mapping

from keyturn_dev.demo.part import Part
from keyturn_dev.demo.parts.mariadb import MARIADB
from keyturn_dev.demo.parts.postgres import POSTGRES
from keyturn_dev.demo.parts.rabbitmq import RABBITMQ
from keyturn_dev.demo.parts.redis import REDIS

PARTS: Mapping[str, Part] = {part.name: part for part in (POSTGRES, REDIS, MARIADB, RABBITMQ)}
