"""orders-report: has names much like the others' and uses no database. Nobody has a reason to touch it."""

from __future__ import annotations

from .life import Life


def main() -> None:
    """Do nothing, healthily."""
    Life("orders-report").run(lambda: None, None, every=1.0)


if __name__ == "__main__":
    main()
