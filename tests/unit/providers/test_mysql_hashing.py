"""What MySQL keeps of a password is made here as the server makes it."""

from __future__ import annotations

import re

import pytest

from keyturn.core.sealed import Sealed
from keyturn.providers.mysql.hashing import hash_of, sha256_crypt


@pytest.mark.parametrize(
    ("password", "salt", "rounds", "expected"),
    [  # by openssl passwd -5
        ("Hello world!", "saltstring", 5000, "5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"),
        ("This is just a test", "toolongsaltstrin", 5000, "Un/5jzAHMgOGZ5.mWJpuVolil07guHPvOW8mGRcvxa5"),
        (
            "a very much longer text to encrypt.  This one even stretches over morethan one line.",
            "anotherlongsalts",
            1400,
            "Rx.j8H.h8HjEDGomFU8bDkXm3XIUnzyxf12oP84Bnq1",
        ),
    ],
)
def test_the_digest_is_the_formats(password: str, salt: str, rounds: int, expected: str) -> None:
    assert sha256_crypt(password.encode(), salt.encode(), rounds) == expected


def test_an_account_and_a_value_give_the_same_each_time_and_others_another() -> None:
    one = hash_of("orders_a", Sealed("value-one"))
    assert one == hash_of("orders_a", Sealed("value-one"))
    assert len({one, hash_of("orders_b", Sealed("value-one")), hash_of("orders_a", Sealed("value-two"))}) == 3
    assert re.fullmatch(r"\$A\$005\$[./0-9A-Za-z]{20}[./0-9A-Za-z]{43}", one)
