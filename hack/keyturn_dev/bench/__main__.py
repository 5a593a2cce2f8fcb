"""`hack/bench rotation`: wall time, refused logins, writes and memory of Keyturn beside the scripts people use."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from keyturn_dev.bench.contenders import Contender, Keyturn, Roles, Script
from keyturn_dev.bench.field import Size, open_field
from keyturn_dev.bench.memory import Memory
from keyturn_dev.bench.rounds import played
from keyturn_dev.bench.summary import Summary, page
from keyturn_dev.cluster.api import tear_down
from keyturn_dev.cluster.home import Home
from keyturn_dev.cluster.shell import Trouble, say
from keyturn_dev.demo.stage import close_shop, get_cluster

NAMES = ("naive", "careful", "keyturn")


def main() -> int:
    """Print what was measured; 0 if every rotation came to its end, however long it took."""
    options = _parse()
    try:
        summary = _measured(options)
    except Trouble as trouble:
        print(f"bench: {trouble}", file=sys.stderr)
        if trouble.hint:
            print(f"bench: {trouble.hint}", file=sys.stderr)
        return 1
    print("\n".join(page(summary)))
    if options.json:
        options.json.write_text(json.dumps(summary.as_json(), indent=2) + "\n")
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="hack/bench", description=__doc__)
    parser.add_argument("what", choices=["rotation"])
    parser.add_argument("--repeats", type=_positive, default=3, help="rotations by each contender (3)")
    parser.add_argument("--pods", type=_positive, default=10, help="pods of a Deployment (10)")
    parser.add_argument("--deployments", type=_positive, default=1, help="Deployments that share the Secret (1)")
    parser.add_argument("--logins", type=_positive, default=10, help="new logins a second from each pod (10)")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=list(NAMES), help="leave the others out")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every number there as well")
    parser.add_argument("--name", default="bench", help="the cluster's name; made when it is not there (bench)")
    parser.add_argument("--keep", action="store_true", help="leave the pods running, and a cluster made for this")
    return parser.parse_args()


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _measured(options: argparse.Namespace) -> Summary:
    """Set up, play, and take away what was made for it, a cluster included."""
    found = Home.of(options.name).driver is not None
    size, memory = Size(options.deployments, options.pods, options.logins), Memory()
    stage = open_field(get_cluster(options.name, None), size, with_keyturn="keyturn" in options.only)
    try:
        runs = list(played(stage, _contenders(options.only), size, options.repeats, memory))
    finally:
        if options.keep:
            say(f'bench: everything is still running: eval "$(hack/cluster env --name {options.name})"')
        elif found:
            close_shop(stage.kubectl)
        else:
            tear_down(options.name)
    return Summary.of(size, runs, memory.samples)


def _contenders(names: Sequence[str]) -> list[Contender]:
    roles = Roles()
    everybody: list[Contender] = [Script("naive", roles), Script("careful", roles), Keyturn()]
    return [contender for contender in everybody if contender.name in names]


if __name__ == "__main__":
    sys.exit(main())
