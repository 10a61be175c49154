"""Speech engines behind one port (`engines.port`), and the factory that loads one by its kind."""

from pathlib import Path
from typing import Literal

from steno_transcriber.engines.port import Engine

__all__ = ["EngineKind", "load"]

EngineKind = Literal["whisper", "scripted"]


def load(kind: EngineKind, model: Path | None = None, *, threads: int = 1) -> Engine:
    """Load an engine of `kind` from the directory `model`, to be called from up to `threads` threads at once.

    Raises:
        EngineUnavailable: the model is missing or cannot be loaded.
        ValueError: the kind needs a model directory and none was given.
    """
    match kind:
        case "scripted":
            from steno_transcriber.engines.scripted import ScriptedEngine

            return ScriptedEngine()
        case "whisper":
            if model is None:
                raise ValueError("the whisper engine needs a model directory")
            from steno_transcriber.engines.whisper import WhisperEngine

            return WhisperEngine(model, threads=threads)
