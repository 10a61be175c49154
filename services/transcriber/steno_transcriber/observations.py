"""Collects observations about a call's audio besides its words: spans of tones, of music, and others. Pure.

A span is of one kind on one channel. Spans of the same kind and channel that touch, or nearly do, are joined: a reader wants to
know of a minute of music, not of its thirty pieces.
"""

from collections.abc import Collection, Iterable

from steno.events.observations import Observation, ObservationKind
from steno_transcriber.speech import Utterance

ADJACENT_MS = 800
"""So much may lie between spans that are told as one: less than an utterance with the silence that ends those around it."""

MOST_OBSERVATIONS = 1_000
"""Of one call; further ones are not told."""

_OWN = {ObservationKind.TONE, ObservationKind.MUSIC}


class Observations:
    """The spans of one call, added in any order."""

    def __init__(self, known: Iterable[Observation] = ()) -> None:
        self._spans: dict[tuple[str, int], list[Observation]] = {}
        self._count = 0
        for observation in known:
            self.add(observation)

    def add(self, observation: Observation) -> None:
        """Adds a span; beyond the limit it is dropped."""
        spans = self._spans.setdefault((observation.kind, observation.channel), [])
        near = [span for span in spans if _adjacent(span, observation)]
        if not near and self._count >= MOST_OBSERVATIONS:
            return
        for span in near:
            spans.remove(span)
        spans.append(_joined([*near, observation]))
        self._count += 1 - len(near)

    @property
    def in_order(self) -> tuple[Observation, ...]:
        """All spans, by time."""
        spans = (span for spans in self._spans.values() for span in spans)
        return tuple(sorted(spans, key=lambda span: (span.start_ms, span.channel, span.kind)))

    def in_order_at_end(self, *, heard_on: Collection[int]) -> tuple[Observation, ...]:
        """All spans of a call that has ended; a channel that is nothing but a copy of another has one span.

        Args:
            heard_on: The channels with utterances of their own; tones and music count.
        """
        own = {*heard_on, *(channel for (kind, channel), spans in self._spans.items() if kind in _OWN and spans)}
        told = Observations()
        for (kind, channel), spans in self._spans.items():
            once = kind == ObservationKind.SAME_ON_BOTH_CHANNELS and channel not in own and spans
            for span in [_joined(spans)] if once else spans:
                told.add(span)
        return told.in_order


def observation_of(utterance: Utterance, kind: ObservationKind) -> Observation:
    """The observation that an utterance is of a kind as a whole."""
    return Observation(kind=kind, channel=utterance.channel, start_ms=utterance.start_ms, duration_ms=utterance.duration_ms)


def _end(span: Observation) -> int:
    return span.start_ms + span.duration_ms


def _adjacent(one: Observation, other: Observation) -> bool:
    return max(one.start_ms, other.start_ms) - min(_end(one), _end(other)) <= ADJACENT_MS


def _joined(spans: list[Observation]) -> Observation:
    start_ms = min(span.start_ms for span in spans)
    return spans[0].model_copy(update={"start_ms": start_ms, "duration_ms": max(map(_end, spans)) - start_ms})
