"""Writes `deploy/dashboards/*.json`, or checks that they are up to date."""

import argparse
import sys
from pathlib import Path

from watching.boards import BOARDS

FOLDER = Path(__file__).parents[1] / "dashboards"


def main() -> int:
    """The command; 1 when `--check` finds a file that is not up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when something would be written")
    check = parser.parse_args().check
    stale = False
    for board in BOARDS:
        path, text = FOLDER / f"{board.name}.json", board.json()
        if not path.exists() or path.read_text("utf-8") != text:
            stale = True
            sys.stdout.write(f"{'out of date' if check else 'wrote'}: deploy/dashboards/{path.name}\n")
            if not check:
                path.write_text(text, "utf-8")
    if check and stale:
        sys.stderr.write("run `make docs` and commit what it writes\n")
    return int(check and stale)


if __name__ == "__main__":
    sys.exit(main())
