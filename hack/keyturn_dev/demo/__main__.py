"""`hack/demo`: a verified rotation on a real cluster, from nothing, with everything it needs."""

from __future__ import annotations

import argparse
import sys

from keyturn_dev.cluster.home import DEFAULT_NAME
from keyturn_dev.cluster.shell import Trouble, say
from keyturn_dev.demo import breaks, scenes
from keyturn_dev.demo.part import Part
from keyturn_dev.demo.parts import PARTS
from keyturn_dev.demo.parts.postgres import POSTGRES
from keyturn_dev.demo.scene import only_scene
from keyturn_dev.demo.screen import Screen
from keyturn_dev.demo.stage import Stage, adopted, close_shop, get_cluster, open_shop

PACE = 0.1  # seconds from login to login of each of six witnesses: sixty a second, which two cores bear


def main() -> int:
    """Play one scene; 0 only if everything it must show holds."""
    options = _parse()
    part = PARTS[options.provider]
    try:
        cluster = get_cluster(options.name, options.driver, part)
        stage = open_shop(cluster, part, log_level=options.log_level, pace=PACE)
        adopted(stage)
        good = _play(stage, options.scene)
        if not options.keep:
            close_shop(stage.kubectl)
    except Trouble as trouble:
        print(f"demo: {trouble}", file=sys.stderr)
        if trouble.hint:
            print(f"demo: {trouble.hint}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        say("demo: interrupted; the next run takes away what is left")
        return 130
    _farewell(keep=options.keep)
    return 0 if good else 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="hack/demo", description=__doc__)
    words = "; ".join(f"{name}: {scene.__doc__}" for name, scene in breaks.SCENES.items())
    parser.add_argument("--provider", choices=list(PARTS), default=POSTGRES.name, help="whose credential is rotated")
    parser.add_argument("--break", dest="scene", choices=sorted(breaks.SCENES), help=words)
    parser.add_argument("--keep", action="store_true", help="leave the shop and Keyturn running")
    parser.add_argument("--driver", choices=["existing", "kind", "local"], help="how to get a cluster")
    parser.add_argument("--name", default=DEFAULT_NAME, help="the cluster's name")
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    options = parser.parse_args()
    if options.scene and options.scene not in _scenes(PARTS[options.provider]):
        parser.error(f"with --provider {options.provider}, --break takes {', '.join(_scenes(PARTS[options.provider]))}")
    return options


def _scenes(part: Part) -> list[str]:
    return sorted(breaks.SCENES if part is POSTGRES else breaks.ANYWHERE)


def _play(stage: Stage, scene: str | None) -> bool:
    play = breaks.SCENES[scene] if scene else scenes.rotate
    screen = Screen()
    screen.say(f"[bold]{(play.__doc__ or '').strip()}[/bold]")
    screen.say("Soak (10 s) and watch (12 s) are short, for a demo: a plan would say 10m and 2h.")
    with screen.scene(), only_scene(stage, screen, f"{stage.part.plan}-1") as played:
        checks = play(played)
    return screen.close(scene or "rotation", checks)


def _farewell(*, keep: bool) -> None:
    if keep:
        say('demo: everything is still running. Look around: eval "$(hack/cluster env)"; kubectl get rotations -n shop')
    say("demo: the cluster is still up; remove it with: hack/cluster down")


if __name__ == "__main__":
    sys.exit(main())
