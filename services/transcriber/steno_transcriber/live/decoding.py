"""Decodes the final utterances of live calls, each alone, so that none waits for the next one."""

import asyncio
from typing import Protocol

from steno.events.recognition import RecognitionOptions
from steno_transcriber.decode_pool import DecodePool, Urgency
from steno_transcriber.engines.choice import Engines
from steno_transcriber.screening import Outcome, recognise_one
from steno_transcriber.speech import Utterance


class Decoder(Protocol):
    """Decodes final utterances."""

    async def decode(self, utterance: Utterance, *, call_id: str, urgency: Urgency, options: RecognitionOptions) -> Outcome:
        """What was said, or heard instead. A function of the utterance alone; calls take turns.

        Raises:
            Unsupported: no engine can serve the options.
        """


class PoolDecoder:
    """Decodes in the thread pool that recordings share, before them."""

    def __init__(self, engines: Engines, pool: DecodePool) -> None:
        self._engines = engines
        self._pool = pool

    async def decode(self, utterance: Utterance, *, call_id: str, urgency: Urgency, options: RecognitionOptions) -> Outcome:
        """Decode off the event loop. How many are lined up is bounded by the room for their audio."""
        engine = self._engines.choose_for_utterances(options)
        return await asyncio.wrap_future(self._pool.submit_urgent(urgency, call_id, recognise_one, engine, utterance, options))
