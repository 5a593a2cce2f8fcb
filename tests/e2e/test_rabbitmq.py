"""RabbitMQ on real pods: one consumer is restarted, one is not, nobody is refused; others go back from Watch."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from keyturn_dev.demo import breaks, scenes
from keyturn_dev.demo.parts.rabbitmq import RABBITMQ, RabbitmqServer

from .conftest import Shop, assert_all, beside

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def post(shop: Shop) -> Iterator[Shop]:
    with beside(shop, RABBITMQ) as opened:
        yield opened


def test_a_rotation_completes_and_nobody_is_refused(post: Shop) -> None:
    assert_all(scenes.rotate(post.scene("happy")))

    server = post.stage.server
    assert isinstance(server, RabbitmqServer)
    assert server.accounts()["post_a"].stored == "", "the old value still opens something"


def test_an_aborted_one_goes_back_from_watch_and_nobody_is_refused(post: Shop) -> None:
    assert_all(breaks.aborted(post.scene("aborted")))


def test_a_new_user_that_somebody_disables_in_watch_gives_the_old_one_back(post: Shop) -> None:
    assert_all(breaks.taken_away(post.scene("taken-away")))
