"""What the endurance run concludes from the server's answers, and that its strikes can be had again."""

from __future__ import annotations

from itertools import islice
from statistics import mean

import pytest

from keyturn_dev.endurance.lookout import Enabled
from keyturn_dev.endurance.strikes import EVERY, Blow, plan_of


def looked(*lines: str) -> Enabled:
    enabled = Enabled()
    enabled.read(lines)
    return enabled


def test_the_same_seed_deals_the_same_strikes_and_another_one_others() -> None:
    first, again, other = (list(islice(plan_of(seed), 30)) for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_every_kind_of_blow_falls_every_twenty_seconds_on_average() -> None:
    strikes = list(islice(plan_of(1), 3000))
    assert {strike.blow for strike in strikes} == set(Blow)
    assert mean(strike.after for strike in strikes) == pytest.approx(EVERY, rel=0.05)
    assert all(EVERY / 2 <= strike.after <= EVERY * 1.5 for strike in strikes)


def test_every_answer_of_the_server_counts_once_with_the_roles_it_names() -> None:
    enabled = looked("2026-11-22T03:00:00.000000|orders_a\n", "\n", "2026-11-22T03:00:00.100000|orders_a,orders_b\n",
                     "2026-11-22T03:00:00.400000|orders_b\n", "2026-11-22T03:00:00.500000|orders_b\n")  # fmt: skip
    assert enabled.samples == 4
    assert enabled.seen[("orders_a", "orders_b")] == 1
    assert (enabled.least, enabled.most) == (1, 2)
    assert enabled.rate == pytest.approx(8)
    assert enabled.longest_gap == pytest.approx(0.3)


def test_a_look_that_finds_nobody_or_three_is_not_lost() -> None:
    enabled = looked("2026-11-22T03:00:00.000000|\n", "2026-11-22T03:00:01.000000|orders_a,orders_b,sneaky\n")
    assert (enabled.least, enabled.most) == (0, 3)


def test_without_any_look_nothing_is_claimed() -> None:
    enabled = looked()
    assert (enabled.samples, enabled.rate, enabled.least, enabled.most) == (0, 0.0, 0, 0)
