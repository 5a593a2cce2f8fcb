"""``hack/test endurance``: rotations in a row while the leader is killed, frozen or stopped at random every 20 s.

    hack/test endurance                    ten rotations; half an hour or so
    hack/test endurance --rotations 1      one
    hack/test endurance --seed 7           the same strikes again

The shop is the demo's, the operator has two replicas and the chart's own lease times. Exit 1 unless every rotation is
Complete, no login failed, by the witnesses and by the database's log, and never more than two roles could log in.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence

from keyturn_dev.cluster.api import tear_down
from keyturn_dev.cluster.home import DEFAULT_NAME
from keyturn_dev.cluster.shell import Trouble
from keyturn_dev.demo.screen import Screen
from keyturn_dev.demo.stage import close_shop, get_cluster, open_shop
from keyturn_dev.endurance.campaign import endure


def main(words: Sequence[str] | None = None) -> int:
    """Exit status."""
    asked = _parse(words)
    screen = Screen()
    try:
        stage = open_shop(get_cluster(DEFAULT_NAME, None), log_level=asked.log_level)
        good = endure(stage, screen, rotations=asked.rotations, seed=asked.seed)
        if not asked.keep:
            close_shop(stage.kubectl)
    except Trouble as trouble:
        print(f"endurance: {trouble}\n{trouble.hint}", file=sys.stderr)
        good = False
    finally:
        if not asked.keep:
            tear_down(DEFAULT_NAME)
    return 0 if good else 1


def _parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="hack/test endurance", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rotations", type=int, default=10, metavar="N")
    parser.add_argument("--seed", type=int, default=random.randrange(100_000), metavar="N", help="of the strikes")
    parser.add_argument("--keep", action="store_true", help="leave the shop and its cluster running")
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
