"""What the bench puts into its cluster: a fair comparison, and a plan that does not wait on purpose."""

from __future__ import annotations

from keyturn_dev.bench.contenders import Roles, seconds_by_phase
from keyturn_dev.bench.field import KEYTURNED, SCRIPTED, Size, plan, workload
from keyturn_dev.bench.memory import resident


def test_the_crews_differ_in_name_secret_and_probe_and_in_nothing_else() -> None:
    scripted, keyturned = workload(SCRIPTED, "same"), workload(KEYTURNED, "same")

    for made, secret in ((scripted, "scripted-db"), (keyturned, "orders-db")):
        del made["metadata"]["labels"]["crew"], made["spec"]["template"]["metadata"]["labels"]["crew"]
        reference = made["spec"]["template"]["spec"]["containers"][0]["env"][0]["valueFrom"]["secretKeyRef"]
        assert reference.pop("name") == secret
    assert keyturned["spec"]["template"]["metadata"]["labels"].pop("keyturn.dev/inject") == "true"
    assert scripted == keyturned


def test_each_pod_tries_as_many_logins_as_asked_for() -> None:
    variables = workload(SCRIPTED, "busy", logins=4)["spec"]["template"]["spec"]["containers"][0]["env"]

    assert {"name": "WITNESS_PACE", "value": "0.25"} in variables


def test_the_plan_waits_for_no_time_and_restarts_as_many_at_once_as_the_scripts() -> None:
    _, made = plan(Size(deployments=4, pods=2))

    spec = made["spec"]
    assert (spec["verify"]["soak"], spec["retire"]["watch"]) == ("0s", "0s")
    assert spec["rollout"]["maxParallel"] == 4
    assert spec["consumers"] == {"discover": "SecretReference"}


def test_the_scripts_take_turns_from_one_role_to_the_next() -> None:
    roles = Roles()

    assert [roles.next(), roles.next()] == [("script_0", "script_1"), ("script_1", "script_2")]


def test_time_in_a_phase_is_from_its_entry_to_the_next_and_adds_up_when_entered_twice() -> None:
    moments = [("Watch", "10"), ("Verify", "12"), ("Watch", "15.5"), ("Complete", "16")]
    history = [{"phase": phase, "at": f"2026-11-21T22:10:{second}+00:00"} for phase, second in moments]

    assert seconds_by_phase({"history": history}) == {"Watch": 2.5, "Verify": 3.5}


def test_resident_memory_is_read_in_mebibytes() -> None:
    assert resident("Name:\tpython3\nVmRSS:\t    9728 kB\nThreads:\t2\n") == 9.5


def test_a_process_without_memory_of_its_own_has_no_size() -> None:
    assert resident("Name:\tkworker\nThreads:\t1\n") is None
