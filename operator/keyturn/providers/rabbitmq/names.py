"""Permissions are regular expressions over names: may one name match two of them, and which does one match? Pure.

Erlang's expressions are those of PCRE, not anchored by themselves (https://www.erlang.org/doc/apps/stdlib/re.html).
Whether two of them meet is told only where that is plain; else they are taken to meet.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

_SIGNS: Final = frozenset(".[](){}*+?|^$\\")
_MAY_BE_NONE: Final = frozenset("*?{")
_GROUP: Final = re.compile(r"\^\((\?:)?(?P<branches>[^()\[\]]+)\)(?![*?{]|.*\|).*")  # one group first, none within it
_NOTHING: Final = frozenset(("", "^$"))  # the server takes an empty one for the other


def reaches(pattern: str) -> bool:
    """Does it match any name at all?"""
    return pattern not in _NOTHING


@lru_cache(maxsize=1024)
def apart(left: str, right: str) -> bool:
    """Is it certain that no name matches both? Either matches nothing, or they begin with other letters."""
    if not reaches(left) or not reaches(right):
        return True
    return not any(
        one.startswith(other) or other.startswith(one) for one in beginnings(left) for other in beginnings(right)
    )


def beginnings(pattern: str) -> tuple[str, ...]:
    """With one of these every name begins that it matches, as far as that is plain: ``^(a|b)``, ``^a|^b``, ``^a``."""
    if not pattern.startswith("^"):
        return ("",)
    group = _GROUP.fullmatch(pattern)
    if group is not None:
        return tuple(_literal(branch) for branch in group["branches"].split("|"))
    if "(" in pattern or "[" in pattern:
        return (_literal(pattern[1:]),) if "|" not in pattern else ("",)
    branches = pattern.split("|")
    return tuple(_literal(one[1:]) if one.startswith("^") else "" for one in branches)


def _literal(text: str) -> str:
    """The signs up to the first that says more than itself."""
    found, at = "", 0
    while at < len(text):
        sign, step = text[at], 1
        if sign == "\\" and not text[at + 1 : at + 2].isalnum():
            sign, step = text[at + 1 : at + 2], 2  # an escaped sign stands for itself
        elif sign in _SIGNS:
            break
        if text[at + step : at + step + 1] in _MAY_BE_NONE:
            break
        found, at = found + sign, at + step
    return found


def a_name(patterns: Sequence[str], mark: str) -> str:
    """A name with this mark in it that all of them match; empty if none is found."""
    for begun in (begun for pattern in patterns for begun in beginnings(pattern)):
        if all(_matches(one, begun + mark) for one in patterns):
            return begun + mark
    return ""


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern)
    except re.error:
        return None  # PCRE knows more than we do


def _matches(pattern: str, name: str) -> bool:
    compiled = _compiled(pattern)
    return reaches(pattern) and compiled is not None and compiled.search(name) is not None
