"""Adding a backend is adding one file: this one brings a backend of its own, and a whole rotation runs with it.

What stands here is all that such a file needs: what people write in a provider and in a plan, and how it is opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from pydantic import Field

from keyturn.api.backends import Backend, PlanHalf, ProviderHalf
from keyturn.api.kinds import CredentialProviderSpec
from keyturn.core.rendering import Place
from keyturn.ports import Capabilities, Clock, Misconfigured, PlanRecord, Provider, ProviderRecord, SecretRecord
from keyturn.providers import Opener, OpenProviders, offer, withdraw
from keyturn.providers.opening import Open
from support.moments import completes, goes_back
from support.world import World

# --------------------------------------------------------------------------------------- the backend, in one file


class Safe(ProviderHalf):
    """Where it stands."""

    street: str = Field(description="Host name.")
    key_under: str = Field(description="The rotator's Secret.")

    @property
    def admin_secret(self) -> str:
        return self.key_under

    @property
    def place(self) -> Place:
        return Place(self.street, 5432, "shop")

    @property
    def where(self) -> str:
        return self.street


class Dials(PlanHalf):
    """Two that take turns."""

    both: list[str] = Field(min_length=2, max_length=2, description="Their names.")

    @property
    def principals(self) -> frozenset[str]:
        return frozenset(self.both)


ABLE = Capabilities(True, True, True, True)  # noqa: FBT003 -- a safe can do everything
SAFE = Opener(Backend("safe", Safe, "A safe.", Dials, "Two dials."), __name__, ABLE, "its own word", extra="safe")
OPENED: list[tuple[Dials, SecretRecord]] = []
WORLDS: list[World] = []


def opened_by(clock: Clock) -> Open:
    def open_(record: ProviderRecord, plan: PlanRecord, admin: SecretRecord) -> Provider:
        wanted = plan.spec.backend
        if not isinstance(wanted, Dials) or record.spec.backend is None:
            raise Misconfigured("BackendMismatch", "Plan and provider must both have spec.safe.")
        assert clock.now() == WORLDS[0].clock.now()
        OPENED.append((wanted, admin))
        return WORLDS[0].provider

    return open_


# ------------------------------------------------------------------------------------------------------ its tests

PROVIDER = {"safe": {"street": "db.shop.svc", "keyUnder": "admin"}, "allow": {"secrets": ["orders-db"]}}


@pytest.fixture
def world() -> Iterator[World]:
    """The simulated world, with a plan and a provider that name the new backend."""
    offer(SAFE)
    made = World()
    WORLDS[:], OPENED[:] = [made], []
    wish = made.cluster.the_plan.spec.model_dump(by_alias=True, exclude={"postgres"})
    spec = type(made.cluster.the_plan.spec).model_validate({**wish, "safe": {"both": ["orders_a", "orders_b"]}})
    made.cluster.the_plan = replace(made.cluster.the_plan, spec=spec)
    former = made.cluster.provider

    async def provider(plan: PlanRecord) -> ProviderRecord:
        return replace(await former(plan), spec=CredentialProviderSpec.model_validate(PROVIDER))

    made.cluster.provider = provider  # type: ignore[method-assign]
    made.open = OpenProviders(made.clock, made.cluster, made).open  # type: ignore[method-assign]
    made.restart_operator()
    yield made
    withdraw(SAFE)


def test_a_rotation_with_a_backend_of_ones_own_completes(world: World) -> None:
    world.ask_for_rotation()
    completes(world)
    assert {type(wanted) for wanted, _ in OPENED} == {Dials}
    assert world.backend.roles["orders_b"].enabled
    assert world.backend.roles["orders_a"].retired


def test_one_that_is_aborted_goes_back(world: World) -> None:
    world.ask_for_rotation()
    world.abort_in = "Soak"
    goes_back(world)
    assert world.backend.roles["orders_a"].enabled


def test_the_plan_is_frozen_into_the_rotation_with_its_backend(world: World) -> None:
    world.ask_for_rotation()
    completes(world)
    frozen = world.rotation_status.plan
    assert frozen is not None
    assert frozen.backend == Dials(both=["orders_a", "orders_b"])


def test_an_operator_without_the_driver_says_so_and_changes_nothing(world: World) -> None:
    offer(replace(SAFE, module="keyturn.providers.a_driver_that_nobody_installed"))
    world.ask_for_rotation()
    world.run(20, until=lambda _world: False)
    ready = next(one for one in world.plan_status.conditions if one.type == "Ready")
    assert (ready.status, ready.reason) == ("False", "DriverMissing")
    assert "keyturn[safe]" in ready.message
    assert world.phase == ""
