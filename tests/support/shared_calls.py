"""Finds the public recordings beside the repository; tests that need one are skipped without it."""

from pathlib import Path

SHARED_CALLS = Path(__file__).parents[3] / "shared" / "data" / "calls"

_AUDIO = {".wav", ".mp3", ".ogg", ".gsm", ".flac", ".g722", ".m4a", ".mka", ".spx", ".ulaw", ".webm", ".wma", ".au", ".amr"}


def shared_recordings(*, speech: bool) -> list[Path]:
    """Returns the recordings with or without speech."""
    found = sorted(path for path in SHARED_CALLS.rglob("*") if path.suffix in _AUDIO)
    return [path for path in found if (path.parent.name == "noise") is not speech]
