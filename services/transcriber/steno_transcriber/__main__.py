"""Starts the transcriber: `python -m steno_transcriber`."""

import sys

from steno.chassis import run
from steno_transcriber.service import build
from steno_transcriber.settings import TranscriberSettings

if __name__ == "__main__":
    sys.exit(run(TranscriberSettings, build))
