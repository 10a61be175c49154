"""Starts ingest: `python -m steno_ingest`."""

import sys

from steno.chassis import run
from steno_ingest.service import build
from steno_ingest.settings import IngestSettings

if __name__ == "__main__":
    sys.exit(run(IngestSettings, build))
