"""Speech engines behind one port (`engines.port`), and the factory that loads one by its kind."""

from pathlib import Path
from typing import Literal, overload

from steno_transcriber.engines.choice import AudioEngine
from steno_transcriber.engines.port import UtteranceEngine

__all__ = ["Device", "EngineKind", "LocalEngineKind", "load"]

LocalEngineKind = Literal["whisper", "scripted", "scripted_call"]
"""The engines that run in this process."""

EngineKind = LocalEngineKind | Literal["azure"]
Device = Literal["cpu", "cuda"]


@overload
def load(
    kind: Literal["whisper", "scripted"], model: Path | None = None, *, threads: int = 1, device: Device = "cpu"
) -> UtteranceEngine: ...


@overload
def load(kind: LocalEngineKind, model: Path | None = None, *, threads: int = 1, device: Device = "cpu") -> AudioEngine: ...


def load(kind: LocalEngineKind, model: Path | None = None, *, threads: int = 1, device: Device = "cpu") -> AudioEngine:
    """Load an engine of a kind from the directory `model`, to be called from up to `threads` threads at once.

    Raises:
        EngineUnavailable: the model is missing or cannot be loaded, or there is no such device.
        ValueError: the kind needs a model directory and none was given.
    """
    match kind:
        case "scripted":
            from steno_transcriber.engines.scripted import ScriptedEngine

            return ScriptedEngine()
        case "scripted_call":
            from steno_transcriber.engines.scripted_call import ScriptedCallEngine

            return ScriptedCallEngine()
        case "whisper":
            if model is None:
                raise ValueError("the whisper engine needs a model directory")
            from steno_transcriber.engines.whisper import WhisperEngine

            return WhisperEngine(model, threads=threads, device=device)
