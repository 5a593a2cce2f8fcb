"""What a process did last, up to a limit: to know its own sessions again in what a server lists."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """A set that forgets the oldest."""

    def __init__(self, limit: int = 4096) -> None:
        self._limit = limit
        self._kept: OrderedDict[T, None] = OrderedDict()

    def add(self, one: T) -> None:
        """Remember; what is added again is as young as new."""
        self._kept[one] = None
        self._kept.move_to_end(one)
        while len(self._kept) > self._limit:
            self._kept.popitem(last=False)

    def __contains__(self, one: object) -> bool:
        return one in self._kept

    def __iter__(self) -> Iterator[T]:
        return iter(self._kept)
