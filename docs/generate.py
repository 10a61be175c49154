"""Writes the pages of `docs/` that are made from the code.

python docs/generate.py            # after a change to a command, the catalogue, a record, a setting, a metric or an API
python docs/generate.py --check    # in CI: fails when a page is not what the code makes
"""

import argparse
import sys
from pathlib import Path

from pages import commands, metrics, rest, runbooks, settings, speech_sdk, topics

FOLDER = Path(__file__).parent
PAGES = {
    "commands.md": commands.page,
    "topics.md": topics.page,
    "settings.md": settings.page,
    "rest.md": rest.page,
    "metrics.md": metrics.page,
    "runbooks/README.md": runbooks.page,
    "protocols/speech-sdk-options.md": speech_sdk.page,
}


def main() -> int:
    """The command; 1 when `--check` finds a page that is not up to date."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail when something would be written")
    check = parser.parse_args().check
    stale = False
    for name, page in PAGES.items():
        path, text = FOLDER / name, page().rstrip("\n") + "\n"
        if path.exists() and path.read_text("utf-8") == text:
            continue
        stale = True
        sys.stdout.write(f"{'out of date' if check else 'wrote'}: docs/{name}\n")
        if not check:
            path.write_text(text, "utf-8")
    if check and stale:
        sys.stderr.write("run `make docs` and commit what it writes\n")
    return int(check and stale)


if __name__ == "__main__":
    sys.exit(main())
