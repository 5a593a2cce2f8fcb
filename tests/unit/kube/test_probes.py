"""The challenge client against the real probe, over real sockets: wrong pod, forged, silent, slow, many."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keyturn.api.labels import acceptors_of
from keyturn.core.delivery import Delivery, Way
from keyturn.core.evidence import Testimony
from keyturn.core.model import Kind, ObjectKey, Verdict
from keyturn.core.sealed import Sealed
from keyturn.kube.keys import Keyring, Purpose
from keyturn.kube.probes import ProbeClient, open_probes, plan_identity
from keyturn.ports import PodRecord
from keyturn_probe import wire
from keyturn_probe.answer import Answerer
from keyturn_probe.doors import Door, House, challenges
from keyturn_probe.gate import LOOKS, Gate
from keyturn_probe.look import Watch
from keyturn_probe.plans import Plan, plans_of
from support.plan_records import Drawer, plan_record, pod_record
from support.pod_inside import POD, Folder, Tree

pytestmark = pytest.mark.enable_socket

PLAN = plan_record(keys={"url": "pg://{username}:{password}@{host}", "host": "{host}"})
EXPECTED = {"Old": {"url": Sealed("old-url")}, "New": {"url": Sealed("new-url")}}
URL = Delivery("app", init=False, secret="orders", key="url", way=Way.ENV, place="URL")
NOW = datetime(2026, 11, 21, tzinfo=UTC)
IMAGE = "keyturn/probe:1"
SECRET = ObjectKey("shop", "keyturn-probe-orders-db")


class StoppedClock:
    def now(self) -> datetime:
        return NOW


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "proc")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "plans")


@pytest.fixture
def drawer() -> Drawer:
    return Drawer()


@pytest.fixture
def client(drawer: Drawer) -> ProbeClient:
    return open_probes(drawer, "keyturn", StoppedClock(), [IMAGE])


def mounted(drawer: Drawer, folder: Folder, generation: int = 0) -> Plan:
    """The plan as the pod sees it once the kubelet has mounted the probe's Secret."""
    home = folder.root / plan_identity(PLAN)
    home.mkdir(parents=True, exist_ok=True)
    for name, content in drawer.kept[SECRET].items():
        (home / name).write_bytes(content)
    watch = f"plan {home.name} orders-db\nenv app url URL"
    environ = {"KEYTURN_WATCH": watch, f"KEYTURN_GENERATION_{home.name.upper()}": str(generation)}
    return plans_of(environ, str(folder.root))[0]


@contextmanager
def probe(plan: Plan, tree: Tree) -> Iterator[PodRecord]:
    """A real probe on the loopback, over a made-up /proc. Gives the pod that it belongs to."""
    answerer = Answerer([plan], tree.proc, POD, NOW.timestamp, lambda: 0.0)
    door = Door(0, challenges(answerer.answer))
    house = House([door], lambda: 0.0, print)
    house.turn(0)
    assert door.sock is not None
    stop = threading.Event()

    def turn() -> None:
        while not stop.is_set():
            house.turn(0.01)

    thread = threading.Thread(target=turn)
    thread.start()
    yield pod_record(URL, uid=POD, address="127.0.0.1", port=door.sock.getsockname()[1])
    stop.set()
    thread.join()
    house.close()


async def asked(client: ProbeClient, pod: PodRecord) -> Testimony:
    return (await client.challenge(PLAN, [pod], 4, EXPECTED))[pod.uid]


@pytest.mark.parametrize(("value", "verdict"), [("old-url", Verdict.OLD), ("new-url", Verdict.NEW)])
async def test_what_a_process_holds_is_recognised(
    client: ProbeClient, drawer: Drawer, tree: Tree, folder: Folder, value: str, verdict: Verdict
) -> None:
    await client.arm(PLAN, {}, "orders")
    tree.add(7, env={"URL": value})
    with probe(mounted(drawer, folder), tree) as pod:
        (sight,) = (await asked(client, pod)).sights
    assert (sight.container, sight.key, sight.kind, sight.verdict) == ("app", "url", Kind.PROCESS, verdict)


@pytest.mark.fm(26)
async def test_a_probe_of_another_pod_at_the_address_is_not_believed(
    client: ProbeClient, drawer: Drawer, tree: Tree, folder: Folder
) -> None:
    await client.arm(PLAN, {}, "orders")
    with probe(mounted(drawer, folder), tree) as pod:
        assert "another pod" in (await asked(client, replace(pod, uid="someone-else"))).silent


async def test_a_probe_without_the_plans_key_is_told_apart_from_one_that_is_not_there(
    client: ProbeClient, drawer: Drawer, tree: Tree, folder: Folder
) -> None:
    await client.arm(PLAN, {}, "orders")
    plan = mounted(drawer, folder)
    (folder.root / plan.id / "key").unlink()
    with probe(plan, tree) as pod:
        assert "plan's key" in (await asked(client, pod)).silent
    assert "NetworkPolicy" in (await asked(client, pod)).silent


@pytest.mark.fm(25)
@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"host_network": True}, "host's network"),
        ({"probe_image": ""}, 'keyturn.dev/inject: "true"'),
        ({"probe_image": "", "probe_awaited": True}, "its probe does not run: the pod is starting or ending"),
        ({"probe_image": "evil/probe:1"}, "not Keyturn's"),
        ({"address": ""}, "no address"),
    ],
)
async def test_a_pod_that_cannot_be_asked_says_why(
    client: ProbeClient, change: Mapping[str, object], word: str
) -> None:
    assert word in (await asked(client, replace(pod_record(URL), **change))).silent  # type: ignore[arg-type]


async def test_the_registry_that_a_runtime_adds_to_a_short_name_is_no_other_image(client: ProbeClient) -> None:
    pod = replace(pod_record(URL, address=""), probe_image=f"docker.io/{IMAGE}")
    assert (await asked(client, pod)).silent == "it has no address yet"


# ------------------------------------------------------------------------------------- what pretends to be a probe

Impostor = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def against(client: ProbeClient, impostor: Impostor) -> Testimony:
    server = await asyncio.start_server(impostor, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        return await asked(client, pod_record(URL, address="127.0.0.1", port=port))


@pytest.mark.fm(26)
async def test_an_answer_replayed_from_an_earlier_challenge_is_not_believed(
    client: ProbeClient, drawer: Drawer, tree: Tree, folder: Folder
) -> None:
    await client.arm(PLAN, {}, "orders")
    tree.add(7, env={"URL": "new-url"})
    plan = mounted(drawer, folder)
    key = plan.key()
    assert key is not None
    earlier = wire.Challenge(plan.id, "ab" * 16, 4, "uid-1", int(NOW.timestamp()) + 30)
    answer = Answerer([plan], tree.proc, "uid-1", NOW.timestamp, lambda: 0.0).answer(wire.challenge_line(key, earlier))
    assert answer is not None

    async def replay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(answer)
        writer.close()

    assert "not its probe" in (await against(client, replay)).silent


@pytest.mark.fm(26)
async def test_an_impostor_that_passes_the_question_on_to_another_pods_probe_is_not_believed(
    client: ProbeClient, drawer: Drawer, tree: Tree, folder: Folder
) -> None:
    """The other probe is real and holds the plan's key; but the question names the pod."""
    await client.arm(PLAN, {}, "orders")
    tree.add(7, env={"URL": "new-url"})
    with probe(mounted(drawer, folder), tree) as elsewhere:

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            theirs, out = await asyncio.open_connection(elsewhere.address, elsewhere.probe_port)
            out.write(await reader.readline())
            writer.write(await theirs.read())
            out.close()
            writer.close()

        testimony = await against(client, relay)
    assert "another pod" in testimony.silent
    assert testimony.sights == ()


@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"KT1 3 " + b"0" * 64 + b"\nabc", b"KT1 99999999 aa\n"]
)
async def test_what_is_not_sealed_with_the_plans_key_is_not_believed(client: ProbeClient, said: bytes) -> None:
    async def forge(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(said)
        writer.close()

    assert "not its probe" in (await against(client, forge)).silent


async def test_an_endless_line_is_cut_off(client: ProbeClient) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"x" * 200_000)
        writer.close()

    assert (await against(client, babble)).silent


@pytest.mark.fm(29)
async def test_a_probe_that_never_answers_is_given_up(drawer: Drawer) -> None:
    given_up = asyncio.Event()

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await given_up.wait()
        writer.close()

    hurried = ProbeClient(Keyring(drawer, "keyturn"), drawer, [IMAGE], StoppedClock(), seconds=0.05)
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        testimony = await asked(hurried, pod_record(URL, address="127.0.0.1", port=port))
        given_up.set()
    assert "does not answer" in testimony.silent


async def test_every_pod_asked_is_in_the_answer(
    client: ProbeClient, drawer: Drawer, tree: Tree, folder: Folder
) -> None:
    await client.arm(PLAN, {}, "orders")
    tree.add(7, env={"URL": "new-url"})
    with probe(mounted(drawer, folder), tree) as pod:
        pods = [pod, *(pod_record(URL, uid=f"u{n}", address="") for n in range(600))]
        found = await client.challenge(PLAN, pods, 4, EXPECTED)
    assert set(found) == {one.uid for one in pods}
    assert [uid for uid, testimony in found.items() if not testimony.silent] == [pod.uid]


@pytest.mark.parametrize("acceptors", [False, True])
async def test_nobody_is_told_to_restart_for_a_user_that_nobody_remembers(
    client: ProbeClient, drawer: Drawer, *, acceptors: bool
) -> None:
    """A plan keeps as whom its presenters run, for their next probes; of acceptors the pod's spec has to say it."""
    name = acceptors_of(PLAN.key.name) if acceptors else PLAN.key.name
    plan = replace(PLAN, key=ObjectKey("shop", name), uid=name)
    key = (await Keyring(drawer, "keyturn").key(plan, Purpose.PROBE)).reveal()

    async def denied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        challenge = wire.read_challenge(await reader.readline(), lambda _: key)
        lines = [f"gap app url {wire.ENV} {wire.PROCESS} {wire.DENIED} 101:102 1", "user app 101 102"]
        writer.write(wire.sealed_answer(key, challenge, lines))
        writer.close()

    async with await asyncio.start_server(denied, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        pod = replace(pod_record(URL, address="127.0.0.1", port=port), unsaid_users={"app": None})
        (sight,) = (await client.challenge(plan, [pod], 4, EXPECTED))[pod.uid].sights
    assert "user 101, group 102" in sight.why
    assert ("Keyturn remembers that" in sight.why) is not acceptors
    assert ("set runAsUser and runAsGroup" in sight.why) is acceptors


# ----------------------------------------------------------------------------------------------------------- arm


async def test_the_gate_reads_what_arm_wrote(
    client: ProbeClient, drawer: Drawer, tree: Tree, folder: Folder, tmp_path: Path
) -> None:
    live = {3: {"url": Sealed("old-url"), "host": Sealed("h")}, 4: {"url": Sealed("new-url"), "host": Sealed("h")}}
    await client.arm(PLAN, live, "orders")
    tree.add(7, env={"URL": "old-url"})
    for generation, opens in ((4, False), (3, True)):
        gate = Gate([mounted(drawer, folder, generation)], tree.proc, str(tmp_path / "open"), lambda: 0.0, print)
        for _ in range(LOOKS):
            gate.look()
        assert gate.open is opens


async def test_the_probes_secret_holds_no_value_and_only_keys_that_tell(client: ProbeClient, drawer: Drawer) -> None:
    await client.arm(PLAN, {4: {"url": Sealed("new-url"), "host": Sealed("h")}}, "orders")
    kept = drawer.kept[SECRET]
    assert set(kept) == {"key", "accept"}
    assert b"new-url" not in b"".join(kept.values())
    assert [line.split()[:2] for line in kept["accept"].decode().splitlines()] == [["4", "url"]]


async def test_without_generations_the_gate_stands_open(client: ProbeClient, drawer: Drawer) -> None:
    await client.arm(PLAN, {}, "orders")
    assert set(drawer.kept[SECRET]) == {"key"}


def test_watches_and_deliveries_spell_ways_alike() -> None:
    assert (wire.ENV, wire.FILE) == (Way.ENV, Way.FILE)
    assert Watch("a", "b", wire.ENV, "c").way == Way.ENV
