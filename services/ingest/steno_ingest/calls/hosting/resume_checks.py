"""Checks a peer's request to resume its call: the audio format must be the same, and the position possible. Pure."""

from steno.call_clock import most_missing
from steno.events.records import CallStarted
from steno_ingest.calls.doors.actions import Offered
from steno_ingest.calls.doors.port import Refusal
from steno_ingest.calls.hosting.admission import OfferRefused
from steno_ingest.calls.hosting.session import CallSession


def check_format(started: CallStarted, offered: Offered) -> None:
    """Checks that the audio format is unchanged. Raises `OfferRefused`."""
    before = (started.codec, started.sample_rate, len(started.channels))
    if before != (offered.format.codec, offered.format.sample_rate, len(offered.channels)):
        raise OfferRefused(
            Refusal.NOT_AS_BEFORE,
            f"call {started.call_id} has {len(started.channels)} channels of {started.codec} at {started.sample_rate} Hz; "
            "a resumed call must have the same audio format",
        )


def check_position(session: CallSession, *, speed: float, burst_seconds: float, heard: int) -> None:
    """Checks that the position is not beyond the audio that the rate limit allows, plus the audio that may be missing.

    Args:
        session: The session of the resumed call.
        speed: The highest lasting rate at which a call may send audio, as a multiple of real time.
        burst_seconds: How much audio a call may send in one burst.
        heard: Samples of one channel that are known to have been received.

    Raises:
        OfferRefused: the position is not possible.
    """
    at, elapsed, rate = session.flushed, session.elapsed, session.started.sample_rate
    audio = max(heard, int((burst_seconds + elapsed.total_seconds() * speed) * rate))
    furthest = audio + most_missing(elapsed, audio=audio, sample_rate=rate)
    # A chunk has at least one sample, so there are at most as many chunks as samples.
    if max(at.position, at.sequence) > furthest:
        raise OfferRefused(
            Refusal.NOT_VALID,
            f"resume is at chunk {at.sequence} and sample {at.position}, but by now the call cannot be beyond sample "
            f"{furthest}; resume from the last `ack`",
        )
