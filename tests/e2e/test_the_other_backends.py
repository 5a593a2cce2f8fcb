"""The other backends on real pods, beside PostgreSQL and at the same time: each as if it were alone.

One consumer of each is restarted, one is not, nobody is refused; others go back from Watch. Their scenes begin with the
first end-to-end test; here they are waited for and judged.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from support.other_backends import OTHERS, Backend

from .conftest import assert_all

pytestmark = [pytest.mark.e2e, pytest.mark.parametrize("name", [part.name for part in OTHERS])]


def test_a_rotation_completes_and_nobody_is_refused(backends: Mapping[str, Backend], name: str) -> None:
    assert_all(backends[name].checks("happy"))


def test_an_aborted_one_goes_back_from_watch_and_nobody_is_refused(backends: Mapping[str, Backend], name: str) -> None:
    assert_all(backends[name].checks("aborted"))


def test_a_new_credential_that_somebody_disables_in_watch_gives_the_old_one_back(
    backends: Mapping[str, Backend], name: str
) -> None:
    assert_all(backends[name].checks("taken-away"))
