"""Starts the enricher service: `python -m steno_enricher`."""

import sys

from steno.chassis import run
from steno_enricher.service import build
from steno_enricher.settings import EnricherSettings

if __name__ == "__main__":
    sys.exit(run(EnricherSettings, build))
