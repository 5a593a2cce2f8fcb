"""What a plan remembers of whom its consumers run as."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keyturn.api.plan_kinds import MOST_USERS, ConsumerUser
from keyturn.core.delivery import Delivery, Way
from keyturn.core.evidence import RunsAs, Testimony
from keyturn.core.model import ConsumerRef
from keyturn.ports import PodRecord
from keyturn.reconciler.users import remembered
from support.plan_records import pod_record

API = ConsumerRef("Deployment", "shop", "api")
URL = Delivery("app", init=False, secret="orders", key="url", way=Way.ENV, place="URL")


def pod(uid: str = "1", *, kubelet: RunsAs | None = None, terminating: bool = False) -> PodRecord:
    made = pod_record(URL, uid=uid, terminating=terminating)
    return replace(made, consumer=API, unsaid_users={"app": kubelet, "unwatched": RunsAs(9, 9)})


def says(user: int, group: int = 5) -> Testimony:
    return Testimony(users={"app": RunsAs(user, group)})


def kept(user: int, group: int = 5, consumer: str = "Deployment/api") -> ConsumerUser:
    return ConsumerUser(consumer=consumer, container="app", user=user, group=group)


ONLY = frozenset({API})


def test_what_the_probe_saw_is_remembered_and_stays_when_nobody_speaks_of_it() -> None:
    learned = remembered([], ONLY, [pod()], {"1": says(101)})
    assert learned == [kept(101)]
    assert remembered(learned, ONLY, [], {}) == learned
    assert remembered(learned, ONLY, [pod()], {"1": Testimony(silent="no answer")}) == learned


def test_the_kubelets_word_counts_before_the_probes() -> None:
    assert remembered([], ONLY, [pod(kubelet=RunsAs(7, 8))], {"1": says(101)}) == [kept(7, 8)]


def test_a_pod_that_says_another_thing_than_its_fellows_changes_nothing() -> None:
    liar = {"1": says(101), "2": says(666)}
    assert remembered([kept(101)], ONLY, [pod("1"), pod("2")], liar) == [kept(101)]
    assert remembered([], ONLY, [pod("1"), pod("2")], liar) == []


def test_a_new_image_with_another_user_is_learned_once_all_pods_agree() -> None:
    pods = [pod("1", terminating=True), pod("2")]
    assert remembered([kept(101)], ONLY, pods, {"1": says(101), "2": says(202)}) == [kept(202)]


@pytest.mark.parametrize("lie", [RunsAs(0, 0), RunsAs(0, 5), RunsAs(-1, 5), RunsAs(2**31, 5), RunsAs(5, 2**31)])
def test_root_and_nonsense_are_not_remembered_whoever_says_so(lie: RunsAs) -> None:
    assert remembered([], ONLY, [pod()], {"1": Testimony(users={"app": lie})}) == []
    assert remembered([], ONLY, [pod(kubelet=lie)], {}) == []


def test_a_container_whose_template_speaks_is_not_remembered() -> None:
    assert remembered([], ONLY, [replace(pod(), unsaid_users={})], {"1": says(101)}) == []


def test_only_consumers_of_the_plan_are_remembered_and_not_endlessly_many() -> None:
    gone = kept(1, consumer="Deployment/gone")
    assert remembered([gone], ONLY, [pod()], {"1": says(101)}) == [kept(101)]
    assert remembered([], frozenset(), [pod()], {"1": says(101)}) == []
    many = [ConsumerUser(consumer="Deployment/api", container=f"c{n}", user=1, group=1) for n in range(300)]
    assert len(remembered(many, ONLY, [], {})) == MOST_USERS
