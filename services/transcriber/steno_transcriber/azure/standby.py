"""Sessions of another engine while Azure does not answer. Used on one event loop."""

from collections.abc import AsyncIterator, Callable

from steno.events.recognition import RecognitionOptions
from steno_transcriber.azure.availability import Availability
from steno_transcriber.engines.port import Answer, CallAudio, CallSession, EngineUnavailable

OpenStandby = Callable[[int, RecognitionOptions], CallSession]
"""Opens a session of the other engine with a number of channels. Raises `Unsupported` where it cannot serve the options."""


class StandbySession:
    """See `CallSession`. It is lost as soon as Azure answers again: what it has not answered, Azure is sent."""

    def __init__(self, session: CallSession, availability: Availability) -> None:
        self._session = session
        self._availability = availability

    async def send(self, audio: CallAudio) -> None:
        """See `CallSession`."""
        if not self._availability.unavailable:
            raise EngineUnavailable("Azure answers again: the call goes back to it")
        await self._session.send(audio)

    async def finish(self) -> None:
        """See `CallSession`."""
        await self._session.finish()

    def answers(self) -> AsyncIterator[Answer]:
        """See `CallSession`."""
        return self._session.answers()

    async def close(self) -> None:
        """See `CallSession`."""
        await self._session.close()
