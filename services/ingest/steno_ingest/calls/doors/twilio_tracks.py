"""Converts the media and key messages of a call's streams to audio and key presses. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from steno_ingest.calls.doors.actions import Action, Dtmf, Unusable, Updated
from steno_ingest.calls.doors.interleaver import MAX_WAIT_MS, Interleaver
from steno_ingest.calls.doors.twilio_audio import Payloads
from steno_ingest.calls.doors.twilio_messages import UNUSABLE, Start, digits_or_none
from steno_ingest.calls.doors.twilio_values import BadMessage, number, shown

_IDLE_SECONDS = 1
"""After this long without a message, audio does not wait for another track any more."""

_APART_MS = 4_000
"""How far separate streams may differ in time: one of them is not read for up to three seconds while the ledger answers."""

_DIGITS = frozenset("0123456789*#ABCD")


class Source:
    """One stream of a call."""

    def __init__(self, start: Start) -> None:
        self.start = start
        self.payloads = Payloads(start.format.codec)
        #: The number of the last key press.
        self.key: int | None = None
        #: How far its clock is behind that of the call; None until its first timestamp.
        self.behind_ms: float | None = None


class Tracks:
    """The tracks of a call, from one or several streams."""

    def __init__(self, start: Start, *, streams: int) -> None:
        """`start` describes all tracks; `streams` is the number of streams."""
        self._start = start
        #: When the first timestamp of the call came, and its value.
        self._clock: tuple[float, float] | None = None
        self._heard_at: float | None = None
        self._interleaver = Interleaver(
            channels=len(start.tracks),
            audio_format=start.format,
            ordered=start.dialect.ordered,
            max_wait_ms=MAX_WAIT_MS if streams == 1 else _APART_MS,
        )

    def expect_no_more(self) -> None:
        """Shortens the wait for other tracks, since there is only one stream left."""
        self._interleaver.max_wait_ms = MAX_WAIT_MS

    def receive(self, source: Source, message: Mapping[str, Any], event: str, now: float) -> Sequence[Action]:
        """Handles a message of a stream, between its start and its end. Raises `BadMessage`."""
        content = source.start.content(message, event)
        self._heard_at = now
        if event == "media":
            return self._media(source, message, content, now)
        return self._dtmf(source, message, content)

    def tick(self, now: float) -> Sequence[Action]:
        """Returns waiting audio if the peer was silent for a while."""
        if self._heard_at is None or now - self._heard_at < _IDLE_SECONDS or not self._interleaver.waiting:
            return []
        return self.flush()

    def flush(self) -> Sequence[Action]:
        """Returns all waiting audio."""
        return self._interleaver.flush()

    def final_updates(self, *, unusable: int) -> list[Action]:
        """Returns the missing and late audio of each track, and unusable messages, as properties of the call."""
        counted = {"missing": self._interleaver.filled, "late": self._interleaver.late}
        found = {
            f"{what}_ms_{track}": str(samples * 1000 // self._start.format.sample_rate)
            for what, counts in counted.items()
            for track, samples in zip(self._start.tracks, counts, strict=True)
            if samples
        }
        if unusable:
            found[UNUSABLE] = str(unusable)
        return [Updated(properties=found)] if found else []

    def _media(self, source: Source, message: Mapping[str, Any], media: Mapping[str, Any], now: float) -> Sequence[Action]:
        start = source.start
        track = media.get("track") or start.tracks[0]
        channel = None if start.channel(track) is None else self._start.channel(track)
        if channel is None:
            raise BadMessage("track", f"media of track {shown(track)} came; start announced {', '.join(start.tracks)}")
        audio = source.payloads.audio(media.get("payload"))
        told: list[Action] = []
        try:
            timestamp_ms = number(media, "timestamp")
        except BadMessage as error:
            # Its audio is placed right after the previous one.
            timestamp_ms, told = None, [Unusable(reason="timestamp", detail=str(error))]
        chunk = digits_or_none(message, start.dialect.sequence) if start.dialect.flat else digits_or_none(media, "chunk")
        wrong_before = self._interleaver.wrong_timestamps
        told += self._interleaver.add(
            channel, audio, chunk=chunk, timestamp_ms=self._of_the_call(source, timestamp_ms, now), now=now
        )
        if self._interleaver.wrong_timestamps > wrong_before:
            told.append(Unusable(reason="timestamp", detail="a timestamp jumped, but the next one did not"))
        return told

    def _of_the_call(self, source: Source, timestamp_ms: float | None, now: float) -> float | None:
        """Converts a stream's timestamp to the clock of the call, which is that of its first stream."""
        if timestamp_ms is None:
            return None
        if source.behind_ms is None:
            began, first_ms = self._clock = self._clock or (now, timestamp_ms)
            source.behind_ms = first_ms + (now - began) * 1000 - timestamp_ms
        return timestamp_ms + source.behind_ms

    def _dtmf(self, source: Source, message: Mapping[str, Any], dtmf: Mapping[str, Any]) -> Sequence[Action]:
        """Handles a key press; ignores anything but the keys of a telephone."""
        key = digits_or_none(message, source.start.dialect.sequence)
        if key is not None and key == source.key:
            raise BadMessage("order", f"dtmf was repeated, with the number {key}")
        source.key = key
        digit = str(dtmf.get("digit", "")).upper()
        return [Dtmf(digit=digit, channel=self._start.channel(dtmf.get("track")))] if digit in _DIGITS else []
