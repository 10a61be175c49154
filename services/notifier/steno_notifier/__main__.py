"""Starts the notifier: `python -m steno_notifier`."""

import gc
import sys


def main() -> int:
    """Runs the service; returns its exit status."""
    # What is imported and built stays: to look for garbage among it takes a sixth of the time of a start. The chassis turns it
    # on again once the service stands.
    gc.disable()
    from steno.chassis import run
    from steno_notifier.service import build
    from steno_notifier.settings import NotifierSettings

    return run(NotifierSettings, build)


if __name__ == "__main__":
    sys.exit(main())
