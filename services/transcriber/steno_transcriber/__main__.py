"""Starts the transcriber: `python -m steno_transcriber`."""

import gc
import sys


def main() -> int:
    """Runs the service; returns its exit status."""
    # What is imported and built stays: to look for garbage among it takes a sixth of the time of a start. The chassis turns it
    # on again once the service stands.
    gc.disable()
    from steno.chassis import run
    from steno_transcriber.service import build
    from steno_transcriber.settings import TranscriberSettings

    return run(TranscriberSettings, build)


if __name__ == "__main__":
    sys.exit(main())
