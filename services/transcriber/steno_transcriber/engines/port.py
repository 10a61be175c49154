"""The engine port: what every speech engine does, in two faces.

The batch face splits packing (pure, lazy) from decoding (blocking, thread-safe), so that the caller owns the threads:

    with ThreadPoolExecutor(threads) as pool:
        for pack in engine.packs(utterances):
            pool.submit(engine.decode, pack)

The stream face follows one utterance while it is being spoken.

Errors: UnsupportedLocale   the model does not know the language (permanent)
        EngineUnavailable   the model cannot be loaded or reached (retry, or repair and restart)
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from steno.errors import Permanent, Retryable
from steno_transcriber.speech import Recognition, Samples, Utterance, Word

__all__ = [
    "Engine",
    "EngineInfo",
    "EngineUnavailable",
    "Pack",
    "Recognition",
    "RecognitionStream",
    "UnsupportedLocale",
    "Utterance",
    "Word",
]


class UnsupportedLocale(Permanent):
    """The engine's model does not know the language asked for."""

    error_class = "unsupported_locale"


class EngineUnavailable(Retryable):
    """The engine's model cannot be loaded or reached."""

    error_class = "engine_unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """Who recognised: stands in every transcript, so that a result can be traced to its model.

    `digest` is the SHA-256 of the model's weights (hex); `languages` are BCP 47 primary languages.
    """

    name: str
    model: str
    digest: str
    languages: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """Utterances of one recording that the engine decodes in one go; those of one channel are in order of time."""

    utterances: tuple[Utterance, ...]

    def __post_init__(self) -> None:
        if not self.utterances:
            raise ValueError("a pack holds utterances")


class RecognitionStream(Protocol):
    """One utterance while it is spoken. Used from one thread at a time; both questions block while decoding."""

    def accept(self, samples: Samples) -> None:
        """Take the next samples (mono float32 at 16 kHz) of the utterance."""

    def hypothesis(self) -> Recognition:
        """What the engine thinks so far. May be wrong, and cheaper than the final: of its words it need not know the times."""

    def final(self) -> Recognition:
        """What was said, as the batch face would decode the same audio alone. Nothing is accepted afterwards."""


@runtime_checkable
class Engine(Protocol):
    """A speech engine. One copy a process; every method may be called from several threads at once.

    Results are a function of the audio alone: not of threads, of order, or of what was decoded before.
    """

    @property
    def info(self) -> EngineInfo:
        """Name, model, digest and languages."""

    def packs(self, utterances: Iterable[Utterance]) -> Iterator[Pack]:
        """Group utterances as the engine decodes them best. Pure and lazy: it holds no more than the open packs.

        Utterances of one channel come in order of time; channels may be interleaved. Every utterance is in exactly one
        pack, and those of one channel come out in order of time.
        """

    def decode(self, pack: Pack, *, locale: str | None = None) -> list[Recognition]:
        """Recognise each utterance of the pack, in its order. Blocks: call it in a thread.

        `locale` is a BCP 47 tag; None lets the engine choose.

        Raises:
            UnsupportedLocale: the model does not know the language.
        """

    def stream(self, *, channel: int, start_ms: int, locale: str | None = None) -> RecognitionStream:
        """Follow an utterance that begins at `start_ms` of the call.

        Raises:
            UnsupportedLocale: the model does not know the language.
        """

    def close(self) -> None:
        """Let go of the model. Nothing is decoded afterwards."""
