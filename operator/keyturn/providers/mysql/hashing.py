"""What ``caching_sha2_password`` keeps of a password: computed here, so that no password is sent to be set.

    $A$005$ssssssssssssssssssssdddddddddddddddddddddddddddddddddddddddddddd
     |  |   salt, 20 signs      SHA-256 crypt of the password under it, 43 signs
     |  thousands of rounds
     the plugin's format

SHA-256 crypt: https://www.akkadia.org/drepper/SHA-crypt.txt; no kept library makes it with a salt of 20 signs.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import pbkdf2_hmac, sha256
from typing import Final

from keyturn.core.sealed import Sealed

ROUNDS: Final = 5000  # what the server takes unless it is told otherwise
_SALT: Final = 20
_SIGNS: Final = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ORDER: Final = (  # how the format shuffles the digest's bytes, three at a time
    (0, 10, 20), (21, 1, 11), (12, 22, 2), (3, 13, 23), (24, 4, 14),
    (15, 25, 5), (6, 16, 26), (27, 7, 17), (18, 28, 8), (9, 19, 29),
)  # fmt: skip


def hash_of(name: str, value: Sealed) -> str:
    """The same each time, as a change that is made again needs it, and another for each account.

    The salt is drawn from name and value by as much work as the hash itself takes: who reads it guesses no faster.
    """
    password = value.reveal()
    drawn = pbkdf2_hmac("sha256", password, f"keyturn/{name}".encode(), ROUNDS)
    salt = b64encode(drawn, altchars=b"./")[:_SALT]
    return f"$A${ROUNDS // 1000:03d}${salt.decode()}{sha256_crypt(password, salt)}"


def sha256_crypt(password: bytes, salt: bytes, rounds: int = ROUNDS) -> str:
    """The 43 signs of the digest, as in section "Algorithm for crypt using SHA-256"; its step numbers stand behind."""
    mixed = sha256(password + salt + password).digest()  # 4-8
    content = password + salt + _stretched(mixed, len(password))  # 1-3, 9-10
    length = len(password)
    while length:  # 11
        content += mixed if length & 1 else password
        length >>= 1
    digest = sha256(content).digest()  # 12
    long_password = _stretched(sha256(password * len(password)).digest(), len(password))  # 13-16
    long_salt = _stretched(sha256(salt * (16 + digest[0])).digest(), len(salt))  # 17-20
    for turn in range(rounds):  # 21
        odd = turn & 1
        middle = (long_salt if turn % 3 else b"") + (long_password if turn % 7 else b"")
        digest = sha256((long_password if odd else digest) + middle + (digest if odd else long_password)).digest()
    groups = [_signs(digest[a] << 16 | digest[b] << 8 | digest[c], 4) for a, b, c in _ORDER]  # 22
    return "".join(groups) + _signs(digest[31] << 8 | digest[30], 3)


def _stretched(block: bytes, length: int) -> bytes:
    return (block * (length // len(block) + 1))[:length]


def _signs(number: int, count: int) -> str:
    return "".join(_SIGNS[number >> 6 * place & 63] for place in range(count))
