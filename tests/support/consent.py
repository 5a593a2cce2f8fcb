"""People who say yes, and a simulated world in which that is asked for."""

from __future__ import annotations

from dataclasses import replace

from keyturn.api.kinds import RotationSpec
from support.agreement import ANN, BOB, CAROL, approval
from support.memory_cluster import spec
from support.world import World

__all__ = ["ANN", "BOB", "CAROL", "MARK", "AskingWorld", "approval"]
MARK = "edited-by.keyturn.dev/"


class AskingWorld(World):
    """Ann wrote the plan, Carol the provider, and one person must agree."""

    def __post_init__(self) -> None:
        super().__post_init__()
        assert self.cluster.the_plan is not None
        wish = spec(retire={"watch": "20s", "approvals": 1})
        self.cluster.the_plan = replace(self.cluster.the_plan, spec=wish, annotations={f"{MARK}me": ANN})
        self.cluster.editors = {f"{MARK}me": CAROL}

    def ask(self, who: str) -> None:
        request = RotationSpec.model_validate({"planRef": {"name": "orders"}, "requestedBy": who})
        self.cluster.add_rotation("shop", "orders-1", request)

    @property
    def digest(self) -> str:
        asked = self.cluster.the_rotations["orders-1"].status.approval
        return asked.digest if asked is not None else ""

    def say_yes(self, who: str, digest: str = "") -> None:
        said = approval(who, digest or self.digest)
        self.cluster.said_yes[said.key.name] = said

    def take_back(self) -> None:
        self.cluster.said_yes.clear()

    def blockers(self) -> str:
        return "\n".join(f"{b.reason}: {b.message}" for b in self.cluster.the_rotations["orders-1"].status.blockers)
