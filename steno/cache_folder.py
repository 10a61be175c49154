"""Says where downloaded files are kept between runs: Kafka's jars, speech models."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """The folder of downloaded files: `STENO_CACHE`, else `steno` in the user's cache folder."""
    chosen = os.environ.get("STENO_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "steno"
