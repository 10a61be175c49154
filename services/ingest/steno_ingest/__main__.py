"""Starts ingest: `python -m steno_ingest`."""

import gc
import sys


def main() -> int:
    """Runs the service; returns its exit status."""
    # Imported modules are never garbage, but collecting them takes a sixth of the start-up time. The chassis enables the
    # collector again after the start.
    gc.disable()
    from steno.chassis import run
    from steno_ingest.service import build
    from steno_ingest.settings import IngestSettings

    return run(IngestSettings, build)


if __name__ == "__main__":
    sys.exit(main())
