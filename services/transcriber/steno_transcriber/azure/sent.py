"""What was sent to Azure, and what it answered: one object a recording in the object store, which all processes share.

| object | means |
|---|---|
| none | nothing was ever sent |
| sent | a job with the recording may be at this endpoint; whether there is one, only Azure can say |
| answered | the result, copied before its job is deleted |

It is written before a job is asked for, so that a process that finds none asks for a job at once, and one that finds it looks
for the job first.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from steno.storage.objects import ObjectMissing, ObjectStore
from steno_transcriber.azure.result import Result
from steno_transcriber.engines.port import FinalAnswer, RecordingAnswer
from steno_transcriber.speech import Recognition, Word

PREFIX = "azure"

OLDEST = timedelta(days=8)
"""No recording is handled again so long after: Kafka keeps what asked for it for a week."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A job with the recording may be at an endpoint; from `settled_at` on a list of its jobs says whether there is."""

    endpoint_url: str
    settled_at: datetime


class SentRecordings:
    """The objects of all recordings, by their keys. Each method raises `StoreUnavailable`.

    Results are coded in threads: those of long recordings would hold up live calls on the event loop.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def read(self, key: str) -> Sent | Result | None:
        """What is known of a recording."""
        try:
            content = await self._store.get(self._url(key))
        except ObjectMissing:
            return None
        return await asyncio.to_thread(_decoded, content)

    async def claim(self, key: str, sent: Sent) -> bool:
        """Notes that a recording is being sent; False where another process has noted that before."""
        return await self._store.create(_name(key), _encoded(sent))

    async def write(self, key: str, state: Sent | Result) -> None:
        """Notes what has become of a recording."""
        await self._store.put(_name(key), await asyncio.to_thread(_encoded, state))

    async def delete(self, key: str) -> None:
        """Notes that nothing of a recording is at Azure."""
        await self._store.delete(self._url(key))

    async def sweep(self) -> None:
        """Deletes what nobody will ask for any more."""
        await self._store.sweep(PREFIX, older_than=OLDEST)

    def _url(self, key: str) -> str:
        return f"{self._store.url}/{_name(key)}"


def _name(key: str) -> str:
    return f"{PREFIX}/{key}.json"


def _encoded(state: Sent | Result) -> bytes:
    content = _of_sent(state) if isinstance(state, Sent) else _of_result(state)
    return json.dumps(content, ensure_ascii=False).encode()


def _decoded(content: bytes) -> Sent | Result | None:
    try:
        stored = json.loads(content)
        return _sent(stored) if "endpoint" in stored else _result(stored)
    except (ValueError, KeyError, TypeError):
        return Sent(endpoint_url="", settled_at=datetime.now(UTC))  # half written: whoever wrote it had not sent it yet


def _of_sent(sent: Sent) -> dict[str, Any]:
    return {"endpoint": sent.endpoint_url, "settled_at": sent.settled_at.isoformat()}


def _sent(stored: Mapping[str, Any]) -> Sent:
    return Sent(endpoint_url=stored["endpoint"], settled_at=datetime.fromisoformat(stored["settled_at"]))


def _of_result(result: Result) -> dict[str, Any]:
    return {
        "channels": sorted(result.channels),
        "duration_ms": result.answer.duration_ms,
        "phrases": [
            [
                final.channel,
                final.start_ms,
                final.duration_ms,
                final.recognition.text,
                final.recognition.confidence,
                final.recognition.language,
                [[word.text, word.start_ms, word.duration_ms, word.confidence] for word in final.recognition.words],
            ]
            for final in result.answer.finals
        ],
    }


def _result(stored: Mapping[str, Any]) -> Result:
    finals = tuple(
        FinalAnswer(
            channel=channel,
            start_ms=start_ms,
            duration_ms=duration_ms,
            recognition=Recognition(
                text=text,
                confidence=confidence,
                language=language,
                words=tuple(
                    Word(text=word, start_ms=begin, duration_ms=length, confidence=sure) for word, begin, length, sure in words
                ),
            ),
        )
        for channel, start_ms, duration_ms, text, confidence, language, words in stored["phrases"]
    )
    channels = frozenset(stored["channels"])
    answer = RecordingAnswer(finals=finals, channel_count=max(channels, default=0) + 1, duration_ms=stored["duration_ms"])
    return Result(channels=channels, answer=answer)
