"""Which Rotations are asked for, and what is done where the API server cannot pick them out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from keyturn.core.model import ObjectKey
from keyturn.kube.client import KubeClient
from keyturn.kube.plans import Plans
from keyturn.ports import Unavailable
from support.api_response import Response

ORDERS = ObjectKey("shop", "orders")
STORED = [("orders-1", "orders", "Complete"), ("orders-2", "orders", "Soak"), ("bank-1", "bank", "Soak")]


class ApiServer:
    """Holds the Rotations of a namespace. One that is older than 1.31 does not pick by field."""

    def __init__(self, *, picks: bool, healthy: bool = True) -> None:
        self.picks, self.healthy, self.told, self.asked = picks, healthy, 0, list[str]()

    async def request(self, _method: str, url: str, **_more: object) -> Any:
        asked = parse_qs(urlsplit(url).query).get("fieldSelector", [""])[0]
        self.asked.append(asked)
        if not self.healthy:
            return SimpleNamespace(response=Response(500, {}))
        if asked and not self.picks:
            return SimpleNamespace(response=Response(400, {"message": "field label not supported"}))
        items = [_rotation(*stored) for stored in STORED if self._picked(asked, *stored)]
        self.told += len(items)
        return SimpleNamespace(response=Response(200, {"metadata": {}, "items": items}))

    def _picked(self, asked: str, _name: str, plan: str, phase: str) -> bool:
        fields = {"spec.planRef.name": plan, "status.phase": phase}
        wishes = [wish for wish in asked.split(",") if wish]
        return all(
            fields[wish.split("!=")[0]] != wish.split("!=")[1]
            if "!=" in wish
            else fields[wish.split("=")[0]] == wish.split("=")[1]
            for wish in wishes
        )


def _rotation(name: str, plan: str, phase: str) -> dict[str, Any]:
    metadata = {"namespace": "shop", "name": name, "uid": name, "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {"metadata": metadata, "spec": {"planRef": {"name": plan}}, "status": {"phase": phase}}


def plans(server: ApiServer) -> Plans:
    async def token(*_: object, **__: object) -> None:
        return None

    configuration = SimpleNamespace(host="https://api", get_api_key_with_prefix=token)
    api: Any = SimpleNamespace(configuration=configuration, rest_client=server)
    return Plans(KubeClient(api), "keyturn-system")


@pytest.mark.parametrize("picks", [True, False], ids=["picks by field", "older than 1.31"])
async def test_the_same_rotations_are_found_whether_or_not_the_api_server_picks_by_field(picks: bool):  # noqa: FBT001
    server = ApiServer(picks=picks)
    ours = plans(server)

    assert [found.key.name for found in await ours.rotations(ORDERS)] == ["orders-1", "orders-2"]
    assert [found.key.name for found in await ours.rotations(ORDERS, finished=False)] == ["orders-2"]


@pytest.mark.fm(62)
async def test_only_those_of_the_plan_that_did_not_end_travel_over_the_wire():
    server = ApiServer(picks=True)

    await plans(server).rotations(ORDERS, finished=False)

    assert server.told == 1


async def test_an_api_server_that_cannot_pick_is_asked_to_only_once():
    server = ApiServer(picks=False)
    ours = plans(server)

    for _ in range(3):
        await ours.rotations(ORDERS, finished=False)

    assert [bool(asked) for asked in server.asked] == [True, False, False, False]


async def test_one_that_has_trouble_is_not_taken_for_an_old_one():
    server = ApiServer(picks=True, healthy=False)
    ours = plans(server)
    with pytest.raises(Unavailable):
        await ours.rotations(ORDERS, finished=False)
    server.healthy = True

    await ours.rotations(ORDERS, finished=False)

    assert all(server.asked)
