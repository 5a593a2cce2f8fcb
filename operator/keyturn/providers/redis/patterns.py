"""Key patterns of the access control list: could one key match both of two patterns? Pure.

Source of the language: https://redis.io/docs/latest/commands/keys/
"""

from __future__ import annotations

from functools import lru_cache

Signs = frozenset[str] | None  # what one place of a key may be; None: a star, any number of places
_ANY = frozenset(map(chr, range(256)))


@lru_cache(maxsize=1024)
def overlap(left: str, right: str) -> bool:
    """Is there a key that both patterns match?"""
    return _meet(_places(left), _places(right))


def a_key(pattern: str) -> str:
    """A key that the pattern matches."""
    return "".join("" if place is None else ("k" if place is _ANY else min(place)) for place in _places(pattern))


def _meet(left: tuple[Signs, ...], right: tuple[Signs, ...]) -> bool:
    """Place by place of ``left``: how far into ``right`` one may have come by then."""
    reached = _past_stars({0}, right)
    for place in left:
        if place is None:
            reached = set(range(min(reached, default=len(right) + 1), len(right) + 1))
        else:
            reached = _past_stars({end for at in reached for end in _steps(place, at, right)}, right)
    return len(right) in reached


def _past_stars(reached: set[int], right: tuple[Signs, ...]) -> set[int]:
    """A star may also stand for nothing."""
    found = set(reached)
    for at in range(len(right)):
        if at in found and right[at] is None:
            found.add(at + 1)
    return found


def _steps(place: frozenset[str], at: int, right: tuple[Signs, ...]) -> tuple[int, ...]:
    if at == len(right):
        return ()
    other = right[at]
    if other is None:
        return (at,)  # the star takes this sign too, and stays
    return (at + 1,) if place & other else ()


def _places(pattern: str) -> tuple[Signs, ...]:
    found: list[Signs] = []
    at = 0
    while at < len(pattern):
        sign = pattern[at]
        at += 1
        if sign == "*":
            found.append(None)
        elif sign == "?":
            found.append(_ANY)
        elif sign == "[":
            places, at = _choice(pattern, at)
            found.append(places)
        elif sign == "\\" and at < len(pattern):
            found.append(frozenset(pattern[at]))
            at += 1
        else:
            found.append(frozenset(sign))
    return tuple(found)


def _choice(pattern: str, at: int) -> tuple[frozenset[str], int]:
    """What stands between brackets, and where it ends; one that is not closed reaches to the end, as in the server."""
    negated = pattern[at : at + 1] == "^"
    at += negated
    signs: set[str] = set()
    while at < len(pattern) and pattern[at] != "]":
        if pattern[at] == "\\" and at + 1 < len(pattern):
            at += 1
        if pattern[at + 1 : at + 2] == "-" and at + 2 < len(pattern):
            first, last = sorted((pattern[at], pattern[at + 2]))
            signs.update(map(chr, range(ord(first), ord(last) + 1)))
            at += 3
        else:
            signs.add(pattern[at])
            at += 1
    return (_ANY - signs if negated else frozenset(signs)), at + 1
