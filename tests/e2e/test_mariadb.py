"""MariaDB on real pods: one consumer is restarted, one is not, nobody is refused; others go back from Watch."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from keyturn_dev.cluster.shell import Trouble
from keyturn_dev.demo import breaks, scenes
from keyturn_dev.demo.part import SHOP
from keyturn_dev.demo.parts.mariadb import MARIADB

from .conftest import Shop, assert_all, beside

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def stock(shop: Shop) -> Iterator[Shop]:
    with beside(shop, MARIADB) as opened:
        yield opened


def test_a_rotation_completes_and_nobody_is_refused(stock: Shop) -> None:
    assert_all(scenes.rotate(stock.scene("happy")))

    as_the_old_account = ("--user=stock_a", f"--password={stock.stage.passwords.current}")
    words = ["mariadb", "--no-defaults", "--host=127.0.0.1", "--ssl", *as_the_old_account, "-e", "SELECT 1"]
    with pytest.raises(Trouble, match="1045"):  # locked, and its password is nobody's
        stock.stage.kubectl.exec(SHOP, "mariadb-0", "mariadb", words)


def test_an_aborted_one_goes_back_from_watch_and_nobody_is_refused(stock: Shop) -> None:
    assert_all(breaks.aborted(stock.scene("aborted")))


def test_a_new_account_that_somebody_disables_in_watch_gives_the_old_one_back(stock: Shop) -> None:
    assert_all(breaks.taken_away(stock.scene("taken-away")))
