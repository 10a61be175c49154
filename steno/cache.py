"""The cache of this machine's user, where what was fetched once is kept: Kafka's jars, speech models."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Where fetched files are kept: `STENO_CACHE`, else `steno` in the user's cache folder."""
    chosen = os.environ.get("STENO_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "steno"
