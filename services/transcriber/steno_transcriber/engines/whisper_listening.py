"""Decides which windows of a pack are decoded next, and collects the results. Pure: the engine decodes in between.

A window that the guards refuse is not given up, but decoded in another way: first in the longest window of the encoder, which
hears best; then half of its utterances at a time, then each alone; then, where the decoder ran in circles, each half of an
utterance. So what really was said again and again comes back (a half of it is not suspicious), and what was not does not. A
window that was believed is looked through for holes: what sounded and has no words is decoded without the rest. After two
attempts a window is smaller than the one it comes from, so that this ends.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

from steno_transcriber.engines.loudness import Sounding, quietest_ms
from steno_transcriber.engines.whisper_decoder import Decoded
from steno_transcriber.engines.whisper_guards import Guards, Verdict
from steno_transcriber.engines.whisper_packing import Layout, Packing, Window
from steno_transcriber.speech import Recognition, Utterance, Word

UNSPACED_LANGUAGES = frozenset({"ja", "lo", "my", "th", "yue", "zh"})
SHORTEST_PIECE_MS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """An utterance or a part of one, with the words from the best window so far."""

    utterance: Utterance
    whole: Utterance
    words: tuple[Word, ...] = ()


Pieces = tuple[Piece, ...]
"""A window, of which words are known already."""


class Attempt(Enum):
    """The kind of an attempt, which decides the length of the encoder's window: longer is better and slower."""

    FIRST = auto()
    #: The same was refused.
    REFUSED = auto()
    #: It is a part of a window that was decoded before.
    PART = auto()


class Listening:
    """The windows of one pack, until all of its utterances are recognised. Not thread-safe."""

    def __init__(self, windows: Iterable[Window], *, packing: Packing, guards: Guards) -> None:
        self._packing = packing
        self._guards = guards
        self._windows = [
            (Attempt.FIRST, tuple(Piece(utterance=utterance, whole=utterance) for utterance in window)) for window in windows
        ]
        self._languages: dict[Utterance, str] = {}
        self._words: dict[Utterance, list[Word]] = {}

    def layouts(self) -> list[tuple[Attempt, Layout]]:
        """The windows to be decoded now; empty at the end."""
        return [(attempt, self._packing.lay_out([piece.utterance for piece in window])) for attempt, window in self._windows]

    def add(self, layouts: Sequence[Layout], heard: Sequence[Decoded]) -> None:
        """Add the results of those windows."""
        self._windows = [
            following
            for (attempt, window), layout, decoded in zip(self._windows, layouts, heard, strict=True)
            for following in self._after(attempt, window, layout, decoded)
        ]

    def recognition(self, utterance: Utterance) -> Recognition:
        """The recognition of an utterance of the pack."""
        words = tuple(sorted(self._words.get(utterance, ()), key=lambda word: word.start_ms))
        language = self._languages[utterance]
        return Recognition(
            text=("" if language in UNSPACED_LANGUAGES else " ").join(word.text for word in words),
            confidence=sum(word.confidence for word in words) / len(words) if words else 0.0,
            words=words,
            language=language,
        )

    def _after(self, attempt: Attempt, window: Pieces, layout: Layout, decoded: Decoded) -> Iterator[tuple[Attempt, Pieces]]:
        """The windows to be decoded because of the result of this one."""
        for piece in window:
            self._languages[piece.whole] = decoded.language
        verdict = self._guards.judge(decoded, layout.sound_seconds, utterances=len(window))
        if verdict is not Verdict.BELIEVED:
            if attempt is Attempt.FIRST:
                yield Attempt.REFUSED, window
            else:
                yield from ((Attempt.PART, part) for part in self._smaller(window, verdict))
            return
        shared, missed = layout.distribute(decoded.words), layout.missed(decoded.words)
        for piece, words, frames in zip(window, shared, missed, strict=True):
            if len(window) == 1:
                yield from ((Attempt.PART, part) for part in self._heard_alone(piece, words, frames))
            elif self._guards.doubts(words):
                yield Attempt.PART, (piece,)
            elif self._guards.misses(frames, words):
                yield Attempt.PART, (replace(piece, words=words),)
            else:
                self._settle(replace(piece, words=words))

    def _heard_alone(self, piece: Piece, words: tuple[Word, ...], missed: Sounding) -> Iterator[Pieces]:
        fuller = _fuller(piece, replace(piece, words=words))
        whole = piece.utterance == piece.whole
        if whole and self._guards.misses_much(missed) and (halves := _halves(fuller)):
            yield from ((half,) for half in halves)
        else:
            self._settle(fuller)

    def _smaller(self, window: Pieces, verdict: Verdict) -> Iterator[Pieces]:
        if len(window) > 1:
            half = len(window) // 2
            yield window[:half]
            yield window[half:]
        elif verdict is Verdict.CIRCULAR and (halves := _halves(window[0])):
            yield from ((half,) for half in halves)
        elif verdict is Verdict.CIRCULAR:
            self._settle(window[0])
        else:
            self._settle(replace(window[0], words=()))

    def _settle(self, piece: Piece) -> None:
        self._words.setdefault(piece.whole, []).extend(piece.words)


def _fuller(before: Piece, after: Piece) -> Piece:
    """The piece whose words last longer: alone, an utterance may be recognised worse than with others."""

    def spoken_ms(piece: Piece) -> int:
        return sum(word.duration_ms for word in piece.words)

    return before if spoken_ms(before) > spoken_ms(after) else after


def _halves(piece: Piece) -> tuple[Piece, Piece] | None:
    """The piece cut in two at its quietest moment; None if it is too short."""
    utterance = piece.utterance
    cut_ms = quietest_ms(utterance.samples, least_ms=SHORTEST_PIECE_MS)
    if cut_ms is None:
        return None
    at_ms = utterance.audio_start_ms + cut_ms
    before, after = utterance.until(at_ms), utterance.since(at_ms)
    if before is None or after is None:
        return None
    early = tuple(word for word in piece.words if word.start_ms < at_ms)
    return replace(piece, utterance=before, words=early), replace(piece, utterance=after, words=piece.words[len(early) :])
