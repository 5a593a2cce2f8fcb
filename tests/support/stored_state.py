"""What an operator leaves in a cluster, as the API server keeps it: written and read by the real code.

    PYTHONPATH=operator:tests python -m support.stored_state v0.2

writes the fixtures of a version that is about to be released. Those of former versions are never written again: they
are what users have.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from keyturn.api.base import API_VERSION
from keyturn.api.kinds import CredentialProviderSpec
from keyturn.api.labels import probe_secret_name
from keyturn.core.model import ObjectKey
from keyturn.core.rotation import FINISHED
from keyturn.core.sealed import Sealed
from keyturn.kube.escrow import EscrowStore
from keyturn.kube.keys import MASTER_SECRET
from keyturn.kube.plans import _dumped, plan_of, rotation_of
from keyturn.kube.probes import open_probes
from keyturn.ports import Escrow, PlanRecord, RotationRecord
from support.consent import ANN, MARK
from support.plan_records import Drawer
from support.world import OLD_URL, START, VirtualClock, World

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
OPERATORS_NAMESPACE = "keyturn-system"
NAME = "orders-1"

Json = dict[str, Any]


class Recorded(World):
    """A world that makes the same values every time, and remembers what its probes were told."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.told: Mapping[int, Mapping[str, Sealed]] = {}
        self.provider.mint = lambda: Sealed("a-minted-value-of-the-fixtures")  # type: ignore[method-assign]

    async def arm(self, plan: PlanRecord, generations: Mapping[int, Mapping[str, Sealed]], secret: str) -> None:
        await super().arm(plan, generations, secret)
        self.told = generations


def contested(world: World) -> None:
    """Another writer puts the old value back again and again."""
    if world.phase == "Roll":
        world.gitops_holds = OLD_URL


def regretted(world: World) -> None:
    """A person aborts as late as possible."""
    if world.phase == "Watch":
        world.abort()


def missed(world: World) -> None:
    """A pod needs the old credential once more after it was disabled; from then on no probe answers."""
    if world.phase == "Watch" and not world.probes_silent:
        pod = next(pod for workload in world.cluster.workloads.values() for pod in workload.pods)
        world.backend.login("orders_a", Sealed("the-old-value-of-orders"), pod.address)
        world.probes_silent = True


def held(world: World) -> None:
    """Nothing can begin: no probe answers."""
    world.probes_silent = True


def asked(world: World) -> None:
    """People are asked, and say nothing."""
    plan = world.cluster.the_plan
    if plan is not None and not plan.spec.retire.approvals:
        retire = plan.spec.retire.model_copy(update={"approvals": 1})
        spec = plan.spec.model_copy(update={"retire": retire})
        world.cluster.the_plan = replace(plan, spec=spec, annotations={f"{MARK}me": ANN})
        world.cluster.editors = {f"{MARK}me": ANN}


SCENARIOS: dict[str, Callable[[World], None]] = {
    "forward": lambda _world: None,
    "backward": regretted,
    "paused": contested,
    "reopened": missed,
    "held": held,
    "asked": asked,
}


@cache
def moments(scenario: str) -> dict[str, int]:
    """Every phase of this scenario, just begun and about to end, and after how many ticks."""
    stops: dict[str, int] = {}
    former = ""
    for number, phase in enumerate(_phases(scenario)):
        if phase != former:
            stops[f"{phase}-begun"] = number
        stops[f"{phase}-late"] = number
        former = phase
    once = {number: name for name, number in reversed(stops.items())}
    return {name: number for number, name in sorted(once.items())}


def stood(scenario: str, ticks: int) -> Recorded:
    """That many ticks into the scenario."""
    world = Recorded()
    world.ask_for_rotation(NAME)
    for _ in range(ticks + 1):
        SCENARIOS[scenario](world)
        world.run(1)
    return world


def brought_to_its_end(world: Recorded, moment: str) -> None:
    """Whoever stood in the way stops, a person takes back what waits for people, and nothing runs any more."""
    world.gitops_holds, world.probes_silent = None, False
    if moment.startswith(("Paused", "Approve")):
        world.abort(NAME)
    for _ in range(400):
        world.run(1)
        if world.phase in FINISHED and not world.plan_status.active_rotation:
            break


def _phases(scenario: str) -> list[str]:
    world = Recorded()
    world.ask_for_rotation(NAME)
    phases: list[str] = []
    for _ in range(200):
        SCENARIOS[scenario](world)
        world.run(1)
        paused = world.cluster.the_rotations[NAME].status.paused
        phases.append("Paused" if paused else world.phase or "Waiting")
        if max(phases.count(waits) for waits in ("Paused", "Verify", "Preflight", "Approve")) > 2 or (
            phases[-1] in ("Complete", "RolledBack") and not _under_way(world)
        ):
            return phases
    raise AssertionError(phases)


def _under_way(world: World) -> bool:
    return bool(world.plan_status.active_rotation)


# ------------------------------------------------------------------------------------------------------- as stored


def stored(world: Recorded) -> Json:
    """Every object of ours, as the adapters write it."""
    plan, rotation = world.cluster.the_plan, world.cluster.the_rotations[NAME]
    assert plan is not None
    found: Json = {
        "plan": {**_head("RotationPlan", plan), "spec": _dumped(plan.spec), "status": _dumped(plan.status)},
        "rotation": {
            **_head("Rotation", rotation),
            "spec": _dumped(rotation.spec),
            "status": _dumped(rotation.status),
        },
        "provider": {"spec": _dumped(asyncio.run(world.cluster.provider(plan)).spec)},
        "probe": asyncio.run(_probe_secret(plan, world.told)),
    }
    if world.cluster.the_escrow is not None:
        store = EscrowStore(_Answer({}), OPERATORS_NAMESPACE)  # type: ignore[arg-type]
        found["escrow"] = store._body(plan, world.cluster.the_escrow)
    return found


def _head(kind: str, record: PlanRecord | RotationRecord) -> Json:
    metadata = {
        "name": record.key.name,
        "namespace": record.key.namespace,
        "uid": record.uid,
        "generation": record.generation,
        "resourceVersion": record.resource_version,
        "creationTimestamp": f"{START:%Y-%m-%dT%H:%M:%SZ}",
    }
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata}


async def _probe_secret(plan: PlanRecord, told: Mapping[int, Mapping[str, Sealed]]) -> Json:
    drawer = Drawer()
    drawer.kept[ObjectKey(OPERATORS_NAMESPACE, MASTER_SECRET)] = {"key": b"a-master-key-of-the-fixtures-32b"}
    await open_probes(drawer, OPERATORS_NAMESPACE, VirtualClock()).arm(plan, told, plan.spec.secret.name)
    data = drawer.kept[ObjectKey(plan.key.namespace, probe_secret_name(plan.key.name))]
    return {"kind": "Secret", "data": {name: base64.b64encode(value).decode() for name, value in data.items()}}


class _Answer:
    """A client whose only answer is this object."""

    def __init__(self, found: Json) -> None:
        self._found = found

    async def read(self, _path: str) -> Json:
        return self._found


@dataclass(frozen=True)
class Read:
    """What the present code makes of it."""

    plan: PlanRecord
    rotation: RotationRecord
    escrow: Escrow | None
    provider: CredentialProviderSpec
    probe: dict[str, bytes]


def read(found: Json) -> Read:
    """By the code that reads it in a cluster."""
    escrow = None
    if "escrow" in found:
        store = EscrowStore(_Answer(found["escrow"]), OPERATORS_NAMESPACE)  # type: ignore[arg-type]
        escrow = asyncio.run(store.read(found["plan"]["metadata"]["uid"]))
    return Read(
        plan_of(found["plan"]),
        rotation_of(found["rotation"]),
        escrow,
        CredentialProviderSpec.model_validate(found["provider"]["spec"]),
        {name: base64.b64decode(value) for name, value in found["probe"]["data"].items()},
    )


def put(world: World, what: Read) -> None:
    """In place of what the present code left in this world."""
    plan, rotation = world.cluster.the_plan, world.cluster.the_rotations[NAME]
    assert plan is not None
    world.cluster.the_plan = replace(plan, spec=what.plan.spec, status=what.plan.status)
    world.cluster.the_rotations[NAME] = replace(rotation, spec=what.rotation.spec, status=what.rotation.status)
    kept = world.cluster.the_escrow
    if what.escrow is not None:
        version = kept.resource_version if kept is not None else ""
        world.cluster.the_escrow = replace(what.escrow, resource_version=version)
    world.restart_operator()


def write(version: str) -> int:
    """How many files were written. Raises FileExistsError for a version that has its fixtures."""
    folder = FIXTURES / version
    folder.mkdir(parents=True)
    written: set[str] = set()
    for scenario in SCENARIOS:
        for name, ticks in moments(scenario).items():
            if name not in written:
                path = folder / f"{scenario}.{name}.json"
                path.write_text(_lines(stored(stood(scenario, ticks))))
                written.add(name)
    return len(written)


def _lines(objects: Json) -> str:
    """An object a line."""
    return (
        "{\n"
        + ",\n".join(f'"{kind}": {json.dumps(objects[kind], sort_keys=True)}' for kind in sorted(objects))
        + "\n}\n"
    )


if __name__ == "__main__":
    sys.stdout.write(f"{write(sys.argv[1])} files\n")
