"""``hack/generate [--check]``: writes the generated files, or says which are stale and fails."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from keyturn_dev.generate.files import generated, strangers
from keyturn_dev.matrix.marks import UnreadableMark
from keyturn_dev.matrix.page import MatrixMistake

ROOT = Path(__file__).resolve().parents[3]


def stale(root: Path) -> list[Path]:
    """Generated files that differ from what the code says now, and leftovers."""
    files = generated(root)
    different = [path for path, text in files.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    return different + strangers(root, files)


def write(root: Path) -> list[Path]:
    """Bring every generated file up to date; those that changed."""
    changed = stale(root)
    files = generated(root)
    for path in changed:
        if path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path], encoding="utf-8")
        else:
            path.unlink()
    return changed


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Exit 0 when all is up to date (or has been brought so), 1 when ``--check`` found stale files."""
    parser = argparse.ArgumentParser(prog="hack/generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail if a file is stale")
    check = bool(parser.parse_args(arguments).check)
    try:
        changed = stale(root) if check else write(root)
    except (MatrixMistake, UnreadableMark) as error:
        print(error)
        return 1
    for path in changed:
        print(f"{'stale' if check else 'wrote'} {path.relative_to(root)}")
    if check and changed:
        print("run hack/generate and commit what it writes")
        return 1
    print("generated files are up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
