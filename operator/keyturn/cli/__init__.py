"""``kubectl keyturn``: asks the API server, shows what people need to know, changes little but Rotations' spec.

A file a verb; what is printed comes from ``views``, pure functions from objects to text. Only ``export`` and
``restore`` touch Secrets, and show only names of them.
"""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Entry point of the ``kubectl-keyturn`` script."""
    from keyturn.cli.app import app  # noqa: PLC0415 -- importing the package must not cost a Kubernetes client
    from keyturn.providers import discover  # noqa: PLC0415 -- same

    discover()
    app(prog_name="kubectl keyturn")
