"""Where the command line meets the person: flags that every verb has, the clock, the way errors end a command."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType

from keyturn.cli.session import Session, Target
from keyturn.cli.views.plain import plain
from keyturn.ports import Denied, Forbidden, KeyturnError, OutcomeUnknown, Unavailable

ASKED_WRONG = 1  # no such object, or the answer is no
NOT_REACHED = 3  # the API server did not answer, or may not (2 is a wrong command line)

Namespace = Annotated[str | None, typer.Option("--namespace", "-n", help="Namespace; default: the context's.")]
Context = Annotated[str | None, typer.Option("--context", help="Context of the kubeconfig.")]
Kubeconfig = Annotated[Path | None, typer.Option("--kubeconfig", help="Default: $KUBECONFIG or ~/.kube/config.")]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="All namespaces.")]

# The Kubernetes side words its errors for the operator's log; a person at a terminal needs other ways out.
_WORDS = {
    "ApiServerUnreachable": "the API server cannot be reached; look at: kubectl cluster-info",
    "ApiServerSilent": "the API server gave no answer; try again",
    "ApiServerBusy": "the API server is busy; try again",
    "AnswerLost": "the answer was lost and the request may have been carried out; look with: kubectl keyturn status",
    "KindMissing": "this cluster does not know Keyturn's kinds; install the chart",
    "NoCluster": "the kubeconfig or its context cannot be used; look at: kubectl config get-contexts",
    "Rejected": "the API server rejected the request; look at the fields with: kubectl explain rotation.spec",
}


class WallClock:
    """The only place of the command line that reads the time."""

    def now(self) -> datetime:
        """Aware, UTC."""
        return datetime.now(UTC)  # noqa: TID251 -- this is the Clock


def target(namespace: str | None, context: str | None, kubeconfig: Path | None) -> Target:
    """What the flags point at."""
    return Target(namespace, context, kubeconfig)


def screen() -> Console:
    """Standard output; 80 columns and no colour when it is not a terminal."""
    console = Console(highlight=False, emoji=False)
    return console if console.is_terminal else Console(highlight=False, emoji=False, width=80, no_color=True)


def show(view: RenderableType) -> None:
    """Print a view: in colour on a terminal, as plain text anywhere else."""
    console = screen()
    if console.is_terminal:
        console.print(view)
    else:
        typer.echo(plain(view), nl=False)


def tell(where: Target, ask: Callable[[Session], Awaitable[str]]) -> None:
    """Carry out a verb that ends with one line."""

    async def verb() -> int:
        async with where.session() as session:
            typer.echo(await ask(session))
        return 0

    run(verb())


def explained(error: KeyturnError) -> str:
    """One line with the way out."""
    if isinstance(error, Forbidden):
        return f"error: you may not {error.deed}; ask for that right (Keyturn's roles: docs/security.md)"
    return f"error: {_WORDS.get(error.reason, error.message)}"


def run(verb: Coroutine[Any, Any, int]) -> None:
    """Carry out a verb; its number, or the error's, is the exit code."""
    try:
        code = asyncio.run(verb)
    except KeyturnError as error:
        typer.echo(explained(error), err=True)
        code = NOT_REACHED if isinstance(error, Unavailable | Denied | OutcomeUnknown) else ASKED_WRONG
    except KeyboardInterrupt:
        code = 130  # as shells count SIGINT; nothing in the cluster stops because we stop looking
    raise typer.Exit(code)
