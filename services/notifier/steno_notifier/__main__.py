"""Starts the notifier: `python -m steno_notifier`."""

import sys

from steno.chassis import run
from steno_notifier.service import build
from steno_notifier.settings import NotifierSettings

if __name__ == "__main__":
    sys.exit(run(NotifierSettings, build))
