"""Whatever any call of any port raises, in any phase, forward and back: no value leaves the process, and it goes on.

The methods are read off the protocols, so that a new one is struck without anybody thinking of it.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import json
import logging
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import structlog
from prometheus_client import CollectorRegistry, generate_latest
from pydantic import ValidationError

from keyturn.api.kinds import RotationApprovalSpec, RotationSpec
from keyturn.core.model import ObjectKey
from keyturn.core.sealed import Sealed
from keyturn.main.operator import _tell_bug
from keyturn.ports import (
    ApprovalRecord,
    Cluster,
    PlanRecord,
    Probes,
    Provider,
    ProviderRecord,
    Providers,
    RotationRecord,
    SecretRecord,
)
from keyturn.reconciler import Reconciler
from keyturn.reporters import log
from keyturn.reporters.fanout import Fanout
from keyturn.reporters.metrics import Metrics
from support.canaries import FOREIGN, FOREIGN_ERRORS, guises, leaks
from support.consent import ANN, BOB, MARK
from support.memory_cluster import spec
from support.rotator_world import RotatorWorld

STRIKES = 2  # calls in each phase that fail: the first before, the second after it did its work


def methods(port: type) -> list[str]:
    return [name for name, value in vars(port).items() if inspect.isfunction(value) and not name.startswith("_")]


PORTS: dict[str, type] = {"Cluster": Cluster, "Provider": Provider, "Probes": Probes, "Providers": Providers}
METHODS = [f"{port}.{name}" for port, protocol in PORTS.items() for name in methods(protocol)]


class Traitor:
    """A port that fails now and then in one of its methods, with words that hold every value there is."""

    def __init__(self, port: object, kind: str, world: Haunted) -> None:
        self._port, self._kind, self._world = port, kind, world

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._port, name)
        if f"{self._kind}.{name}" not in METHODS:
            return real
        strikes = self._world.strikes

        def plain(*args: Any, **kwargs: Any) -> Any:
            turn = strikes(f"{self._kind}.{name}", args, kwargs)
            if turn == 0:
                raise self._world.error()
            done = real(*args, **kwargs)
            if turn == 1:
                raise self._world.error()
            return done

        async def awaited(*args: Any, **kwargs: Any) -> Any:
            turn = strikes(f"{self._kind}.{name}", args, kwargs)
            if turn == 0:
                raise self._world.error()
            done = await real(*args, **kwargs)
            if turn == 1:
                raise self._world.error()
            return done

        return awaited if inspect.iscoroutinefunction(real) else plain


class Queue:
    """What the work queue does with an error that the reconciler lets through."""

    def __init__(self, reconciler: Reconciler) -> None:
        self._reconciler = reconciler

    async def reconcile(self, key: ObjectKey) -> timedelta | None:
        try:
            return await self._reconciler.reconcile(key)
        except Exception as error:  # noqa: BLE001 - as the queue does
            _tell_bug(key, error)
            return timedelta(seconds=1)


class Haunted(RotatorWorld):
    """A world in which one method of one port fails, and everything that is said is written down."""

    def __init__(self, method: str) -> None:
        self.method = method
        self.struck: Counter[tuple[str, str]] = Counter()
        self.values: set[str] = {FOREIGN}
        self.said: set[str] = set()
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)
        self._noted = -1
        self._kinds = itertools.cycle(FOREIGN_ERRORS.values())
        super().__init__()

    def restart_operator(self) -> None:
        reporter = Fanout([self.metrics, log.LogReporter()])
        cluster, probes = Traitor(self.cluster, "Cluster", self), Traitor(self, "Probes", self)
        providers = Traitor(self, "Providers", self)
        self.operator = Queue(Reconciler(cluster, providers, probes, self.clock, reporter, lambda: 1))  # type: ignore[arg-type, assignment]

    def open(self, record: ProviderRecord, plan: PlanRecord, admin: SecretRecord) -> Provider:
        return Traitor(super().open(record, plan, admin), "Provider", self)  # type: ignore[return-value]

    def check(self) -> None:
        """A containment locks pods out, and other tests look at that."""

    def strikes(self, method: str, args: Any, kwargs: Any) -> int | None:
        if method != self.method:
            return None
        self.said.add(f"{method}{args!r}{kwargs!r}")
        known = self.cluster.the_rotations
        phase = (max(known), known[max(known)].status.phase) if known else ("", "")
        self.struck[phase] += 1
        return self.struck[phase] - 1 if self.struck[phase] <= STRIKES else None

    def error(self) -> Exception:
        """The next kind of foreign error, with all values in its words."""
        self.note()
        words = " ".join(sorted(self.values | {guise for value in self.values for guise in guises(value)}))
        return next(self._kinds)(words)

    def note(self) -> None:
        """Every value that is a secret now, and everything that others can read now."""
        if self._noted == len(self.board.writes):
            return
        self._noted = len(self.board.writes)
        held = [*self.cluster.secret_data.values(), *(role.value for role in self.backend.roles.values())]
        held += (self.cluster.the_escrow.values if self.cluster.the_escrow else {}).values()
        self.values |= {value.reveal_text() for value in held}
        objects = [*self.cluster.the_rotations.values(), *([self.cluster.the_plan] if self.cluster.the_plan else [])]
        for one in objects:
            self.said |= {repr(one), str(one), one.status.model_dump_json(), json.dumps(dict(one.annotations))}
        self.said |= {repr(event) for event in self.cluster.said}
        self.said |= {generate_latest(self.registry).decode(), repr(self.cluster.armed), repr(self.cluster.secret_data)}

    def until(self, there: Callable[[], bool]) -> None:
        for _ in range(600):
            asyncio.run(self.tick())
            self.note()
            if there():
                return
        raise AssertionError((self.method, self.phases, self.struck))

    @property
    def newest(self) -> RotationRecord:
        return self.cluster.the_rotations[max(self.cluster.the_rotations)]

    def ended(self, name: str) -> bool:
        known = self.cluster.the_rotations.get(name)
        return known is not None and known.status.phase in ("Complete", "RolledBack") and self._idle()

    def _idle(self) -> bool:
        return self.plan_status.active_rotation == ""


@pytest.fixture
def written() -> Iterator[StringIO]:
    root, stream = logging.getLogger(), StringIO()
    handlers, level, loud = root.handlers[:], root.level, logging.raiseExceptions
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    log.configure("debug", stream)
    yield stream
    root.handlers[:], root.level, logging.raiseExceptions = handlers, level, loud
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
    structlog.reset_defaults()


def live(world: Haunted) -> None:
    """Adoption; a scheduled rotation, a containment, and one that people approve and take back; then it is deleted."""
    wish(world, checkEvery="10s", historyLimit=1, schedule={"maxAge": "1m"})
    world.until(lambda: bool(world.cluster.the_rotations) and world.newest.status.phase == "Roll")
    world.probes_silent = True  # then files are refreshed, which nobody needs as long as every pod proves itself
    for _ in range(2):
        asyncio.run(world.tick())
    world.probes_silent = False
    world.until(lambda: world.ended(min(world.cluster.the_rotations)))
    ask(world, "zzy", mode="Containment")
    world.until(lambda: world.ended("zzy"))
    wish(world, checkEvery="10s", historyLimit=1, retire={"watch": "20s", "approvals": 1})
    ask(world, "zzz")
    world.until(lambda: world.newest.status.phase == "Approve" and world.newest.status.approval is not None)
    agree(world)
    world.until(lambda: world.newest.status.phase == "Watch")
    world.abort("zzz")
    world.until(lambda: world.ended("zzz"))
    assert [r.status.phase for _, r in sorted(world.cluster.the_rotations.items())][-2:] == ["Complete", "RolledBack"]
    world.until(lambda: len(world.cluster.the_rotations) == 1)
    assert world.cluster.the_plan is not None
    world.cluster.the_plan = replace(world.cluster.the_plan, deleting=True, deleted_at=world.clock.now())
    world.until(lambda: world.cluster.the_plan is None)


def wish(world: Haunted, **wishes: object) -> None:
    assert world.cluster.the_plan is not None
    marks = {f"{MARK}me": ANN}
    world.cluster.the_plan = replace(world.cluster.the_plan, spec=spec(**wishes), annotations=marks)
    world.cluster.editors = marks


def ask(world: Haunted, name: str, mode: str = "Graceful") -> None:
    asked = {"planRef": {"name": "orders"}, "requestedBy": ANN, "mode": mode}
    world.cluster.add_rotation("shop", name, RotationSpec.model_validate(asked))


def agree(world: Haunted) -> None:
    rotation = world.newest
    assert rotation.status.approval is not None
    ref = {"name": rotation.key.name, "uid": rotation.uid}
    said = {"rotationRef": ref, "digest": rotation.status.approval.digest, "approver": BOB}
    record = ApprovalRecord(ObjectKey("shop", "bob"), "uid-bob", RotationApprovalSpec.model_validate(said))
    world.cluster.said_yes["bob"] = record


@pytest.mark.fm(60)
@pytest.mark.parametrize("method", METHODS)
def test_a_call_that_fails_with_values_in_its_words_leaks_none_and_all_goes_on(
    method: str, written: StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    world = Haunted(method)
    live(world)
    out, err = capfd.readouterr()
    said = {*world.said, *written.getvalue().splitlines(), out, err}
    assert len(world.values) > 4, "values were made, and are looked for"
    assert leaks(said, world.values) == []
    assert world.struck, f"{method} is not called in this life of a plan: let live() call it"


@pytest.mark.parametrize("way", range(len(guises(FOREIGN))))
def test_a_leak_would_be_found_in_any_guise(way: int) -> None:
    guise = sorted(guises(FOREIGN))[way]
    assert leaks([f"said in passing: >{guise}<"], [FOREIGN]) != []


@pytest.mark.parametrize("kind", FOREIGN_ERRORS)
def test_a_mistake_of_ours_is_logged_with_its_type_and_place_and_without_its_words(
    kind: str, written: StringIO
) -> None:
    def mistaken() -> None:
        raise FOREIGN_ERRORS[kind](" ".join(sorted(guises(FOREIGN))))

    try:
        mistaken()
    except Exception as error:  # noqa: BLE001 - any
        _tell_bug(ObjectKey("shop", "orders"), error)
        name = type(error).__name__
    (line,) = written.getvalue().splitlines()
    told = json.loads(line)
    assert told["error"] == name
    assert any("test_leaks.py" in place for place in told["at"])
    assert leaks([line], [FOREIGN]) == []


def test_the_words_are_in_the_errors_that_are_thrown() -> None:
    for kind, make in FOREIGN_ERRORS.items():
        error = make(FOREIGN)
        shown = [repr(error), str(error), repr(error.__cause__), repr(vars(error)), repr(error.args)]
        shown += [repr(error.errors())] if isinstance(error, ValidationError) else []
        assert leaks(shown, [FOREIGN]) != [], kind


def test_a_sealed_value_in_a_record_is_not_shown_by_it() -> None:
    record = SecretRecord(ObjectKey("shop", "s"), "u", "1", {"k": Sealed(FOREIGN)}, {})
    assert leaks([repr(record), str(record), f"{record}", repr(record.data)], [FOREIGN]) == []
