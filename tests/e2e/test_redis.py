"""Redis on real pods: one consumer is restarted, one is not, nobody is refused; others go back from Watch."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from keyturn_dev.demo import breaks, scenes
from keyturn_dev.demo.part import SHOP
from keyturn_dev.demo.parts.redis import REDIS

from .conftest import Shop, assert_all, beside

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def baskets(shop: Shop) -> Iterator[Shop]:
    with beside(shop, REDIS) as opened:
        yield opened


def test_a_rotation_completes_and_nobody_is_refused(baskets: Shop) -> None:
    assert_all(scenes.rotate(baskets.scene("happy")))

    as_the_old_user = ("--user", "basket_a", "--pass", baskets.stage.passwords.current)
    words = ["redis-cli", "--no-auth-warning", "--tls", "--insecure", *as_the_old_user, "PING"]
    answer = baskets.stage.kubectl.exec(SHOP, "redis-0", "redis", words)
    assert answer.strip() == "NOAUTH Authentication required.", "the old value still opens something"


def test_an_aborted_one_goes_back_from_watch_and_nobody_is_refused(baskets: Shop) -> None:
    assert_all(breaks.aborted(baskets.scene("aborted")))


def test_a_new_user_that_somebody_disables_in_watch_gives_the_old_one_back(baskets: Shop) -> None:
    assert_all(breaks.taken_away(baskets.scene("taken-away")))
