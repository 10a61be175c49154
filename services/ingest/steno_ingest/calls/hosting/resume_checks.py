"""Checks a peer's request to resume its call: the same audio format, at a position that is possible. Pure."""

from steno.call_clock import most_missing
from steno.events.records import CallStarted
from steno_ingest.calls.doors.actions import Offered
from steno_ingest.calls.doors.port import Refusal
from steno_ingest.calls.hosting.admission import OfferRefused
from steno_ingest.calls.hosting.session import CallSession


def check_format(started: CallStarted, offered: Offered) -> None:
    """Checks that its audio is as it was. Raises `OfferRefused`."""
    before = (started.codec, started.sample_rate, len(started.channels))
    if before != (offered.format.codec, offered.format.sample_rate, len(offered.channels)):
        raise OfferRefused(
            Refusal.NOT_AS_BEFORE,
            f"call {started.call_id} has {len(started.channels)} channels of {started.codec} at {started.sample_rate} Hz; "
            "a call goes on with the audio it began with",
        )


def check_position(session: CallSession, *, speed: float, burst_seconds: float, heard: int) -> None:
    """Checks that it is not further on than the audio that doors can have let in, and what may be missing of it.

    Args:
        session: The call as it would go on.
        speed: How many times as fast as it is spoken a call may come in.
        burst_seconds: How much audio may come at once.
        heard: Samples of one channel that are known to have come.

    Raises:
        OfferRefused: it is.
    """
    at, had, rate = session.flushed, session.had, session.started.sample_rate
    audio = max(heard, int((burst_seconds + had.total_seconds() * speed) * rate))
    furthest = audio + most_missing(had, audio=audio, sample_rate=rate)
    # A chunk has a sample at least, so that there are no more chunks than samples.
    if max(at.position, at.sequence) > furthest:
        raise OfferRefused(
            Refusal.NOT_VALID,
            f"resume is at chunk {at.sequence} and sample {at.position}, and by now the call cannot be beyond sample "
            f"{furthest}; resume from the last `ack`",
        )
