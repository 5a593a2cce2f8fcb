"""`hack/cluster`: a Kubernetes cluster in one command. Parses words and prints answers; `api` does the work."""

from __future__ import annotations

import shlex
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from keyturn_dev.cluster import api
from keyturn_dev.cluster.home import DEFAULT_NAME
from keyturn_dev.cluster.shell import Trouble, say

app = typer.Typer(no_args_is_help=True, add_completion=False, help="A Kubernetes cluster in one command.")
Name = Annotated[str, typer.Option(help="Which cluster; several can be up at once with the kind and local drivers.")]


@app.command()
def up(
    name: Name = DEFAULT_NAME,
    driver: Annotated[str | None, typer.Option(help="existing, kind or local; chosen for you otherwise.")] = None,
) -> None:
    """Bring the cluster up; repeating it changes nothing."""
    cluster = api.ensure_cluster(name, driver)
    say(f"cluster: {name} is ready ({cluster.driver}). To use it in this shell:")
    which = "" if name == DEFAULT_NAME else f" --name {shlex.quote(name)}"
    say(f'  eval "$(hack/cluster env{which})"')


@app.command()
def down(name: Name = DEFAULT_NAME) -> None:
    """Take the cluster away; nothing stays but the cache of programs and images."""
    api.tear_down(name)
    say(f"cluster: {name} is down")


@app.command()
def status(name: Name = DEFAULT_NAME) -> None:
    """Say how each part is; exit 1 when one is down."""
    driver, parts = api.status(name)
    if driver is None:
        say(f"cluster: there is no cluster {name}; run hack/cluster up")
        raise typer.Exit(1)
    print(f"cluster {name}, driver {driver}")
    table = Table(box=None, pad_edge=False)
    table.add_column("PART", no_wrap=True)
    table.add_column("STATE", overflow="fold")
    for part in parts:
        table.add_row(part.name, part.words)
    Console(soft_wrap=False).print(table)
    if not all(part.works for part in parts):
        raise typer.Exit(1)


@app.command()
def load(images: Annotated[list[str], typer.Argument(metavar="IMAGE...")], name: Name = DEFAULT_NAME) -> None:
    """Give the cluster's node images of hack/images, building what is not up to date."""
    api.load_images(images, name)


@app.command()
def kubeconfig(name: Name = DEFAULT_NAME) -> None:
    """Print the path of the cluster's kubeconfig."""
    print(api.describe(name).kubeconfig)


@app.command()
def env(name: Name = DEFAULT_NAME) -> None:
    """Print shell lines that make kubectl and helm, of the pinned versions, use the cluster."""
    cluster = api.describe(name)
    print(f"export KUBECONFIG={shlex.quote(str(cluster.kubeconfig))}")
    print(f'export PATH={shlex.quote(str(cluster.kubectl.parent))}:"$PATH"')


def main() -> int:
    """Run the command; a Trouble becomes its sentence and its hint."""
    try:
        app(prog_name="hack/cluster")
    except Trouble as trouble:
        say(f"cluster: {trouble}")
        if trouble.hint:
            say(f"  {trouble.hint}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
