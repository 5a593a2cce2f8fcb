"""An open shop on a real cluster, and the scenes that are played in it. Judges nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from rich.console import Console

from keyturn_dev.demo.leaks import LogKeeper
from keyturn_dev.demo.part import SHOP
from keyturn_dev.demo.play import Seen
from keyturn_dev.demo.props import tidy
from keyturn_dev.demo.scene import Scene, begin
from keyturn_dev.demo.screen import Screen
from keyturn_dev.demo.stage import Stage, adopted

SHORT = {"verify": {"soak": "4s"}, "retire": {"watch": "6s"}}  # shorter than the demo's, which people look at


@dataclass(frozen=True)
class Shop:
    stage: Stage
    seen: Seen
    logs: LogKeeper
    console: Console = field(default_factory=lambda: Console(highlight=False))

    def scene(self, name: str, *, hurry: bool = True) -> Scene:
        """A scene on a tidy shop, whatever the one before left behind. ``hurry``: nothing is done in soak and watch."""
        plan = self.stage.part.plan
        tidy(self.stage)
        if hurry:
            spec = json.dumps({"spec": SHORT})
            self.stage.kubectl("patch", f"rotationplan/{plan}", "-n", SHOP, "--type=merge", "-p", spec)
        adopted(self.stage)
        return begin(self.stage, Screen(self.console), self.seen, f"{plan}-{name}")
