"""Backends. Each is a package or a module that knows its own words; they do not know each other.

Adding one is adding it beside ``postgres`` with an ``OPENER``: ``discover`` finds it.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from keyturn.providers.opening import Opener, OpenProviders, offer, offered, withdraw

__all__ = ["OpenProviders", "Opener", "discover", "offer", "offered", "withdraw"]


def discover() -> None:
    """Every backend of this package may be named by plans and providers from now on; no driver is imported.

    Every process that reads plans calls it once, before it reads the first.
    """
    for found in iter_modules(__path__):
        opener = getattr(import_module(f"{__name__}.{found.name}"), "OPENER", None)
        if isinstance(opener, Opener):
            offer(opener)
