"""Keys of the consumers' Secret that hold less than a whole credential: a user name, a port, a short old password."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest

from keyturn.core.sealed import Sealed
from support.memory_backend import Role
from support.memory_cluster import spec
from support.world import World

TEMPLATES = {
    "url": "postgresql://{username}:{password}@{host}:{port}/{database}",
    "user": "{username}",
    "password": "{password}",
    "port": "{port}",
}


@dataclass
class Spelt(World):
    """The plan manages every part of the credential in a key of its own besides."""

    first: str = "the-old-value-of-orders"

    def __post_init__(self) -> None:
        super().__post_init__()
        url = Sealed(f"postgresql://orders_a:{self.first}@db.shop.svc:5432/shop")
        self.backend.roles["orders_a"] = Role(Sealed(self.first), plan="shop/orders")
        parts = {"user": Sealed("orders_a"), "password": Sealed(self.first), "port": Sealed("5432")}
        self.secret_before = {**self.secret_before, "url": url, **parts}
        self.cluster.edit_secret(self.secret_before, "kubectl")
        assert self.cluster.the_plan is not None
        target = spec().secret.model_copy(update={"keys": TEMPLATES})
        wish = self.cluster.the_plan.spec.model_copy(update={"secret": target})
        self.cluster.the_plan = replace(self.cluster.the_plan, spec=wish)
        for workload in self.cluster.workloads.values():
            for pod in workload.pods:
                self.cluster.fleet.start_container(workload, pod)

    def secret_of(self, id_: str) -> Mapping[str, Sealed]:
        found = dict(super().secret_of(id_))
        password = found["url"].reveal_text().partition("@")[0].rpartition(":")[2]
        return found | {"user": Sealed(id_), "password": Sealed(password)}


def test_a_user_name_and_a_port_may_be_shorter_than_any_password() -> None:
    world = Spelt()
    world.ask_for_rotation()
    world.run(900)
    assert world.phase == "Complete", (world.phase, world.rotation_status.blockers)
    assert world.cluster.secret_data["user"].reveal_text() == "orders_b"
    assert world.cluster.secret_data["port"].reveal_text() == "5432"


@pytest.mark.parametrize("first", ["the-old-value-of-orders", "short"])
@pytest.mark.parametrize("phase", ["Stage", "Soak", "Watch"])
def test_keys_that_both_credentials_share_hold_up_no_way_back_and_neither_does_a_weak_old_value(
    phase: str, first: str
) -> None:
    world = Spelt(first=first)
    world.ask_for_rotation()
    world.abort_in = phase
    world.run(900)
    assert world.phase == "RolledBack", (world.phase, world.rotation_status.blockers)
    assert world.cluster.secret_data == world.secret_before
