"""Broken on purpose, one scene a test: refused before any change, waiting with a name, or rolled back by itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from keyturn_dev.demo import breaks
from keyturn_dev.demo.scene import Play
from support.real_shop import Shop

from .conftest import assert_all

pytestmark = pytest.mark.e2e
Plays = Callable[[str, Play], None]


@pytest.mark.fm(9)
def test_another_server_with_the_same_role_names_is_refused_before_any_change(plays: Plays) -> None:
    plays("wrong-system", breaks.wrong_system)


@pytest.mark.fm(9)
def test_a_clone_with_the_same_system_identifier_is_refused_before_any_change(plays: Plays) -> None:
    plays("clone", breaks.clone)


def test_an_empty_value_is_refused_and_nothing_is_made_of_it(plays: Plays) -> None:
    plays("empty-value", breaks.empty_value)


@pytest.mark.fm(16)
def test_pods_that_crash_with_the_new_credential_are_rolled_back(plays: Plays) -> None:
    plays("crashloop", breaks.crashloop)


def test_pods_that_still_hold_the_old_value_are_held_unready_and_rolled_back(plays: Plays) -> None:
    plays("overridden", breaks.overridden)


@pytest.mark.fm(24, 30)
def test_a_stranger_blocks_by_name_until_it_ends(plays: Plays) -> None:
    plays("stranger", breaks.stranger)


def test_a_new_credential_that_somebody_disables_in_watch_gives_the_old_one_back(plays: Plays) -> None:
    plays("taken-away", breaks.taken_away)


@pytest.mark.fm(53)
def test_an_unreachable_backend_is_waited_for_and_nothing_is_rolled_back(shop: Shop) -> None:
    assert_all(breaks.unplug(shop.scene("unplug", hurry=False)))
