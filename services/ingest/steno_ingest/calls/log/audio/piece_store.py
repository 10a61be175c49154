"""Stores the pieces of open calls in the object store; see `steno_ingest.calls.log.audio.pieces`."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from urllib.parse import unquote

from steno.errors import Retryable
from steno.events import ids
from steno.storage.objects import ObjectMissing, ObjectStore
from steno_ingest.calls.log.audio.pieces import Shape, Span, layout, masked
from steno_ingest.metrics import RECORDED_BYTES

#: The prefix of pieces; they are deleted once the recording is made.
CALL_AUDIO_PREFIX = "call-audio"

#: Older pieces belong to no open call, since a recording has at most 74 hours.
OLDEST_PIECE = timedelta(days=7)

_AT_ONCE = 32


class PieceGone(Retryable):
    """A piece was deleted meanwhile, by another process that has finished the call or by a person."""

    error_class = "piece_gone"


class PieceStore:
    """Writes and reads pieces. Every method may raise `StoreUnavailable`."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def put(self, pieces: Sequence[tuple[str, Span, bytes]]) -> None:
        """Writes pieces, each with the id of its call; returns when all are written."""
        outcomes = await asyncio.gather(*(self._put(*piece) for piece in pieces), return_exceptions=True)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome

    async def spans(self, call_id: str) -> list[Span]:
        """Returns the spans of a call's pieces."""
        names = [unquote(url.rpartition("/")[2]) for url in await self._objects.list_urls(_prefix(call_id))]
        return [span for name in names if (span := Span.named(name)) is not None]

    async def audio(
        self, call_id: str, shape: Shape, spans: Sequence[Span], *, samples: int, masks: Sequence[tuple[int, int]]
    ) -> AsyncIterator[bytes | int]:
        """Gives the first `samples` of a call, interleaved: bytes of pieces, or a number of silent samples where there is none.

        Raises:
            PieceGone: a piece was deleted meanwhile.
        """
        for part in layout(spans, samples):
            if part.piece is None:
                yield part.span.end - part.span.start
                continue
            content = await self._get(call_id, part.piece)
            first = (part.span.start - part.piece.start) * shape.frame_bytes
            last = (part.span.end - part.piece.start) * shape.frame_bytes
            yield masked(content[first:last], part.span, masks, shape)

    async def clear(self, call_id: str) -> None:
        """Deletes all pieces of a call."""
        await self._objects.clear(_prefix(call_id))

    async def _put(self, call_id: str, span: Span, audio: bytes) -> None:
        async with self._slots:
            await self._objects.put(f"{_prefix(call_id)}/{span.name}", audio)
        RECORDED_BYTES.inc(len(audio))

    async def _get(self, call_id: str, span: Span) -> bytes:
        try:
            return await self._objects.get(f"{self._objects.url}/{_prefix(call_id)}/{span.name}")
        except ObjectMissing as error:
            raise PieceGone(f"a piece of call {call_id} is gone: {error}") from error


def _prefix(call_id: str) -> str:
    # A call id may contain any characters, also slashes, so the id of the live pass is used.
    return f"{CALL_AUDIO_PREFIX}/{ids.live_pass_id(call_id)}"
