"""Starts the enricher service: `python -m steno_enricher`."""

import gc
import sys


def main() -> int:
    """Runs the service; returns its exit status."""
    # What is imported and built stays: to look for garbage among it takes a sixth of the time of a start. The chassis turns it
    # on again once the service stands.
    gc.disable()
    from steno.chassis import run
    from steno_enricher.service import build
    from steno_enricher.settings import EnricherSettings

    return run(EnricherSettings, build)


if __name__ == "__main__":
    sys.exit(main())
