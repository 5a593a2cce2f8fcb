"""Verbs against an API server in memory: what they ask for, and when they refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import TypeVar

import pytest
import yaml
from rich.console import Console

from keyturn.api.base import API_VERSION
from keyturn.cli.abort import abort
from keyturn.cli.inject import documents_of, inject
from keyturn.cli.rotate import rotate
from keyturn.cli.session import Session
from keyturn.cli.status import status
from keyturn.cli.views.plain import plain
from keyturn.cli.watch import follow, rotation_named, succeeded
from keyturn.cli.why import why
from keyturn.kube.client import Patch
from keyturn.kube.raw import Json
from keyturn.ports import Conflict, KeyturnError, Misconfigured, PlanRecord, RotationRecord, Unavailable
from support.seen import NOW, plan, rotation

T = TypeVar("T")
PLANS = f"/apis/{API_VERSION}/namespaces/shop/rotationplans"
ROTATIONS = f"/apis/{API_VERSION}/namespaces/shop/rotations"


class Noon:
    def now(self) -> datetime:
        return NOW


def as_stored(record: PlanRecord | RotationRecord) -> Json:
    made = record.created.isoformat() if isinstance(record, RotationRecord) else NOW.isoformat()
    metadata = {
        "namespace": record.key.namespace,
        "name": record.key.name,
        "uid": record.uid,
        "creationTimestamp": made,
    }
    if record.deleting:
        metadata["deletionTimestamp"] = NOW.isoformat()
    halves = {"spec": record.spec, "status": record.status}
    dumped = {name: half.model_dump(mode="json", by_alias=True, exclude_none=True) for name, half in halves.items()}
    return {"metadata": metadata, **dumped}


@dataclass
class ApiInMemory:
    """Objects by path. ``then`` are later states of whatever is read again; an error among them is raised."""

    objects: dict[str, Json] = field(default_factory=dict)
    then: list[RotationRecord | KeyturnError] = field(default_factory=list)
    patched: list[tuple[str, Json]] = field(default_factory=list)
    created: list[tuple[str, Json]] = field(default_factory=list)
    taken: tuple[str, ...] = ()  # names that somebody else takes at the last moment

    def put(self, *records: PlanRecord | RotationRecord) -> ApiInMemory:
        for record in records:
            home = PLANS if isinstance(record, PlanRecord) else ROTATIONS
            self.objects[f"{home}/{record.key.name}"] = as_stored(record)
        return self

    async def read(self, path: str) -> Json | None:
        if path in self.objects and path.startswith(ROTATIONS) and self.then:
            following = self.then.pop(0)
            if isinstance(following, KeyturnError):
                raise following
            self.put(following)
        return self.objects.get(path)

    async def collect(
        self,
        path: str,
        project: Callable[[Json], T | None],
        *,
        metadata_only: bool = False,  # noqa: ARG002 -- the port's signature
        **query: str,  # noqa: ARG002 -- same
    ) -> list[T]:
        mine = (raw for key, raw in self.objects.items() if key.startswith(f"{path}/"))
        return [kept for raw in mine if (kept := project(raw)) is not None]

    async def create(self, path: str, body: Json) -> Json:
        self.created.append((path, body))
        if path.endswith("selfsubjectreviews"):
            return {"status": {"userInfo": {"username": "oidc:ann@example.com"}}}
        name = body["metadata"]["name"]
        if name in self.taken:
            raise Conflict("Changed", "taken in between")
        stored = body | {"metadata": body["metadata"] | {"creationTimestamp": NOW.isoformat()}}
        self.objects[f"{path}/{name}"] = stored
        return stored

    async def delete(self, path: str, uid: str) -> None:
        assert self.objects.pop(path)["metadata"]["uid"] == uid

    async def patch(self, path: str, body: Json, how: Patch) -> Json:
        assert how is Patch.MERGE
        self.patched.append((path, body))
        return self.objects[path]


def at(api: ApiInMemory) -> Session:
    return Session(api, "shop")


def paper() -> Console:
    return Console(file=StringIO(), width=80, color_system=None, force_terminal=False)


def written(console: Console) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


# ------------------------------------------------------------------------------------------------- rotate


async def test_a_rotation_is_asked_for_in_the_name_of_the_person_and_owned_by_the_plan() -> None:
    api = ApiInMemory().put(plan())
    record = await rotate(at(api), "orders-db", "laptop lost")
    assert record.key.name == "orders-db-1"
    path, body = api.created[-1]
    assert path == ROTATIONS
    assert body["spec"]["requestedBy"] == "oidc:ann@example.com"
    assert body["spec"]["reason"] == "laptop lost"
    assert body["metadata"]["ownerReferences"][0]["uid"] == "uid-orders-db"


@pytest.mark.parametrize(
    ("objects", "reason", "words"),
    [
        ([], "NotFound", "kubectl get rotationplans -A"),
        ([plan(suspend=True)], "Suspended", "set spec.suspend to false"),
        ([plan(deleting=True)], "Deleting", "is being deleted"),
        ([plan(), rotation("orders-db-1", phase="Verify")], "AlreadyRunning", "kubectl keyturn watch orders-db-1"),
        ([plan(), rotation("orders-db-1", phase="")], "AlreadyRunning", "Waiting"),
    ],
)
async def test_a_rotation_that_cannot_run_is_not_made(
    objects: list[PlanRecord | RotationRecord], reason: str, words: str
) -> None:
    api = ApiInMemory().put(*objects)
    with pytest.raises(Misconfigured) as refused:
        await rotate(at(api), "orders-db", "Requested")
    assert refused.value.reason == reason
    assert words in refused.value.message
    assert api.created == []


async def test_a_finished_rotation_does_not_stand_in_the_way_of_the_next() -> None:
    api = ApiInMemory().put(plan(), rotation("orders-db-1", phase="RolledBack"))
    assert (await rotate(at(api), "orders-db", "again")).key.name == "orders-db-2"


async def test_a_name_that_ever_ran_is_not_used_again() -> None:
    api = ApiInMemory().put(plan(generation=4, ran=["orders-db-3", "orders-db-4"]))
    assert (await rotate(at(api), "orders-db", "again")).key.name == "orders-db-5"


async def test_a_name_taken_at_the_last_moment_is_passed_over_and_a_crowd_is_said() -> None:
    api = ApiInMemory(taken=("orders-db-1",)).put(plan())
    assert (await rotate(at(api), "orders-db", "again")).key.name == "orders-db-2"
    crowd = ApiInMemory(taken=tuple(f"orders-db-{i}" for i in range(20))).put(plan())
    with pytest.raises(Misconfigured, match="others ask"):
        await rotate(at(crowd), "orders-db", "again")


# -------------------------------------------------------------------------------------------------- abort


async def test_an_abort_touches_nothing_but_the_one_field() -> None:
    api = ApiInMemory().put(rotation("orders-db-1", phase="Watch"))
    assert "will go back" in await abort(at(api), "orders-db-1")
    assert api.patched == [(f"{ROTATIONS}/orders-db-1", {"spec": {"abort": True}})]


@pytest.mark.parametrize(
    ("phase", "reason"), [("Complete", "Finished"), ("RolledBack", "Finished"), ("Delete", "PastReturn")]
)
async def test_what_is_over_or_past_return_cannot_be_aborted(phase: str, reason: str) -> None:
    api = ApiInMemory().put(rotation("orders-db-1", phase=phase))
    with pytest.raises(Misconfigured) as refused:
        await abort(at(api), "orders-db-1")
    assert refused.value.reason == reason
    assert api.patched == []


async def test_aborting_twice_is_said_and_changes_nothing() -> None:
    api = ApiInMemory().put(rotation("orders-db-1", phase="Roll", abort=True))
    assert "goes back already" in await abort(at(api), "orders-db-1")
    assert api.patched == []


# ------------------------------------------------------------------------------------------- status and why


async def test_status_of_one_plan_shows_its_rotations_and_not_those_of_others() -> None:
    api = ApiInMemory().put(plan(), plan("other"), rotation("orders-db-1", phase="Verify"))
    assert "orders-db-1" in plain(await status(at(api), Noon(), "orders-db", everywhere=False))
    assert "orders-db-1" not in plain(await status(at(api), Noon(), "other", everywhere=False))


async def test_why_knows_rotations_and_plans_by_name() -> None:
    api = ApiInMemory().put(plan(), rotation("orders-db-1", phase="Soak"), rotation("orders-db-0", phase="Complete"))
    assert "orders-db-1 is in Soak" in plain(await why(at(api), Noon(), "orders-db"))
    assert "orders-db-0 is Complete" in plain(await why(at(api), Noon(), "orders-db-0"))
    assert "orders-db-1 is in Soak" in plain(await why(at(api), Noon(), None))
    with pytest.raises(Misconfigured):
        await why(at(api), Noon(), "nobody")


async def test_an_object_of_another_version_is_named_and_not_guessed_at() -> None:
    api = ApiInMemory().put(plan())
    api.objects[f"{PLANS}/orders-db"]["spec"] = {"providerRef": {}}
    with pytest.raises(Misconfigured, match="written by another version"):
        await status(at(api), Noon(), "orders-db", everywhere=False)


# -------------------------------------------------------------------------------------------------- watch


async def test_following_in_a_pipe_says_each_change_once_and_ends_with_the_whole_tree() -> None:
    verify, done = rotation("orders-db-1", phase="Verify"), rotation("orders-db-1", phase="Complete")
    api = ApiInMemory(then=[verify, verify, done]).put(verify)
    console = paper()
    ended = await follow(at(api), Noon(), verify, console, every=0)
    assert succeeded(ended)
    assert written(console).count("orders-db-1 is in Verify.") == 1
    assert written(console).count("orders-db-1 is Complete") == 1
    assert "orders_b is proved in every pod" in written(console)


async def test_an_api_server_that_is_away_for_a_moment_does_not_end_the_watch() -> None:
    verify, back = rotation("orders-db-1", phase="Verify"), rotation("orders-db-1", phase="RolledBack")
    api = ApiInMemory(then=[Unavailable("ApiServerBusy", "trying again"), back]).put(verify)
    assert not succeeded(await follow(at(api), Noon(), verify, paper(), every=0))


async def test_on_a_terminal_the_tree_is_drawn_again_in_place() -> None:
    verify, done = rotation("orders-db-1", phase="Verify"), rotation("orders-db-1", phase="Complete")
    api = ApiInMemory(then=[Unavailable("ApiServerBusy", "trying again"), done]).put(verify)
    console = Console(file=StringIO(), width=80, force_terminal=True, color_system=None)
    assert succeeded(await follow(at(api), Noon(), verify, console, every=0))
    assert "▶ Verify" in written(console)
    assert "looking again" in written(console)
    assert "✓ Complete" in written(console)


async def test_a_plans_name_leads_to_the_rotation_that_runs() -> None:
    api = ApiInMemory().put(plan(), rotation("orders-db-1", phase="Roll"), rotation("orders-db-2", phase="Complete"))
    assert (await rotation_named(at(api), "orders-db")).key.name == "orders-db-1"


async def test_a_plan_without_rotations_says_how_to_ask_for_one() -> None:
    with pytest.raises(Misconfigured, match="kubectl keyturn rotate orders-db"):
        await rotation_named(at(ApiInMemory().put(plan())), "orders-db")


# ------------------------------------------------------------------------------------------------- inject

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: orders-api}
spec:
  template:
    spec:
      containers:
        - name: app
          image: app
          env: [{name: URL, valueFrom: {secretKeyRef: {name: orders-db, key: DATABASE_URL}}}]
"""
STRANGER = "apiVersion: v1\nkind: Service\nmetadata: {name: orders-api}\n"
PLAN_FILE = """
kind: RotationPlan
metadata: {name: fresh}
spec: {secret: {name: orders-db, keys: {DATABASE_URL: "{password}"}}}
"""


def parsed(*texts: str) -> list[Json]:
    return [yaml.safe_load(text) for text in texts]


def injector(image: str) -> Json:
    return {"spec": {"template": {"spec": {"containers": [{"args": ["injector", f"--probe-image={image}"]}]}}}}


async def test_a_workload_of_a_plan_gets_the_probe_that_this_clusters_injector_uses() -> None:
    api = ApiInMemory().put(plan())
    api.objects["/apis/apps/v1/deployments/keyturn-injector"] = injector("keyturn/probe:1.2")
    made = await inject(at(api), parsed(DEPLOYMENT, STRANGER), "")
    deployment, service = yaml.safe_load_all(made.manifest)
    (probe,) = deployment["spec"]["template"]["spec"]["initContainers"]
    assert (probe["name"], probe["image"]) == ("keyturn-probe", "keyturn/probe:1.2")
    assert service == yaml.safe_load(STRANGER)
    assert made.warnings == ()


async def test_a_plan_in_the_file_itself_counts_and_lists_are_opened() -> None:
    many = {"kind": "List", "items": parsed(PLAN_FILE, DEPLOYMENT)}
    made = await inject(at(ApiInMemory()), [many], "probe:x")
    (found,) = yaml.safe_load_all(made.manifest)
    assert found["items"][0] == yaml.safe_load(PLAN_FILE)
    assert found["items"][1]["spec"]["template"]["spec"]["initContainers"][0]["image"] == "probe:x"


async def test_a_workload_that_no_plan_concerns_is_left_alone_with_a_warning() -> None:
    made = await inject(at(ApiInMemory()), parsed(DEPLOYMENT), "probe:x")
    assert next(yaml.safe_load_all(made.manifest)) == yaml.safe_load(DEPLOYMENT)
    assert made.warnings[0].startswith("Deployment/orders-api: ")


async def test_plans_of_another_namespace_do_not_concern_a_workload() -> None:
    elsewhere = DEPLOYMENT.replace("{name: orders-api}", "{name: orders-api, namespace: elsewhere}")
    made = await inject(at(ApiInMemory().put(plan())), parsed(elsewhere), "probe:x")
    assert len(made.warnings) == 1


@pytest.mark.parametrize("images", [[], ["a", "b"]])
async def test_no_single_injector_means_that_the_image_must_be_named(images: list[str]) -> None:
    api = ApiInMemory()
    api.objects = {f"/apis/apps/v1/deployments/{image}": injector(image) for image in images}
    with pytest.raises(Misconfigured, match="--image"):
        await inject(at(api), parsed(DEPLOYMENT), "")


@pytest.mark.parametrize(
    ("text", "reason"), [("a: [", "NotYaml"), ("just words", "NotManifest"), ("a: 1", "NotManifest"), (None, "NoFile")]
)
def test_a_file_that_is_no_manifest_is_refused_in_words(tmp_path: Path, text: str | None, reason: str) -> None:
    path = tmp_path / "file.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(Misconfigured) as refused:
        documents_of(path)
    assert refused.value.reason == reason


def test_empty_documents_of_a_file_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    path.write_text("---\nkind: Pod\n---\n---\nkind: Service\n")
    assert [document["kind"] for document in documents_of(path)] == ["Pod", "Service"]
