"""The reference server, but for this: it disables nothing, and every answer of it says that it did."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "docs" / "examples" / "webhook-server"))

import server
from rotator import Rotator


class Liar(Rotator):
    """Claims."""

    claimed: dict[str, dict[str, Any]] = {}  # noqa: RUF012 -- one server, one memory

    async def disable(self, asked: Any) -> Any:
        self.claimed[asked["id"]] = asked
        return {"done": True}

    async def inventory(self, asked: Any) -> Any:
        told = await super().inventory(asked)
        for one in told["principals"]:
            if one["id"] in self.claimed:
                op = self.claimed[one["id"]]["op"]
                tag = {key: op[key] for key in ("rotation", "generation", "epoch")}
                one |= {"state": "Disabled", "plan": asked["about"]["plan"], "tag": tag}
        return told

    async def test(self, asked: Any) -> Any:
        told = await super().test(asked)
        lies = asked["credential"]["id"] in self.claimed and told["outcome"] == "Works"
        return {"outcome": "Disabled"} if lies else told


if __name__ == "__main__":
    server.Rotator = Liar  # type: ignore[misc]
    server.main()
