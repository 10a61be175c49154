"""Publishes a live call on its topics, and reads its captions."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
from support.service_process import ServiceProcess

from steno.events.catalogue import CALLS, HYPOTHESES, PHRASES, TRANSCRIPTS
from steno.events.ids import live_pass_id, phrase_id
from steno.events.records import CallChannel, CallState, CallStatus, Hypothesis, Phrase, Role, TranscriptCompleted
from steno.kafka.producer import Producer


@dataclass
class SpokenCall:
    """A live call that a test publishes step by step."""

    producer: Producer
    call_id: str
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    spoken: int = 0
    tenant: str = ""

    async def state(self, state: CallStatus, *, reason: str = "") -> None:
        """Publishes the state of the call."""
        record = CallState(
            call_id=self.call_id,
            recording_id=live_pass_id(self.call_id),
            state=state,
            channels=(CallChannel(channel=0, role=Role.AGENT), CallChannel(channel=1, role=Role.CUSTOMER)),
            complete=state is not CallStatus.ACTIVE,
            reason=reason,
            started_at=self.started_at,
            ended_at=None if state is CallStatus.ACTIVE else datetime.now(UTC),
            updated_at=datetime.now(UTC),
            tenant=self.tenant,
        )
        await self.producer.send(CALLS, record)

    async def say(self) -> None:
        """Publishes a hypothesis, then its phrase."""
        recording_id, sequence = live_pass_id(self.call_id), self.spoken
        common: dict[str, Any] = {
            "call_id": self.call_id,
            "recording_id": recording_id,
            "phrase_id": phrase_id(self.call_id, recording_id, sequence % 2, sequence * 1000),
            "channel": sequence % 2,
            "start_ms": sequence * 1000,
            "duration_ms": 900,
            "text": f"phrase {sequence}",
        }
        await self.producer.send(HYPOTHESES, Hypothesis(**common, revision=0))
        await self.producer.send(PHRASES, Phrase(**common, sequence=sequence, confidence=1))
        self.spoken += 1

    async def end(self) -> None:
        """Publishes the end of the call and of its transcript."""
        await self.state(CallStatus.ENDING, reason="hung up")
        await self.producer.send(
            TRANSCRIPTS,
            TranscriptCompleted(
                call_id=self.call_id,
                recording_id=live_pass_id(self.call_id),
                result_url="",
                phrase_count=self.spoken,
                channel_count=2,
                duration_ms=self.spoken * 1000,
                completed_at=datetime.now(UTC),
            ),
        )


@dataclass(frozen=True, kw_only=True)
class Told:
    """One server-sent event."""

    id: str
    event: str
    data: Any


class CaptionReader:
    """Reads the captions of a call like a browser, which reconnects with the id of the last event."""

    def __init__(self, service: ServiceProcess, call_id: str) -> None:
        self._service = service
        self._path = f"/v1/calls/{call_id}/captions"
        self.told: list[Told] = []
        #: The number of accepted connections.
        self.connections = 0

    @property
    def phrases(self) -> list[int]:
        """The sequence numbers of the received phrases, in order."""
        return [told.data["sequence"] for told in self.told if told.event == "phrase"]

    async def read(self, *, most: int | None = None, by_query: bool = False) -> None:
        """Reads until the end, until the connection breaks, or until a number of further events has come."""
        last = {"cursor" if by_query else "Last-Event-ID": self.told[-1].id} if self.told else {}
        options: dict[str, Any] = {"params": last} if by_query else {"headers": last}
        url = await self._service.url()
        async with self._service.session() as session, session.get(url + self._path, **options) as answer:
            assert answer.status == 200, await answer.text()
            assert answer.content_type == "text/event-stream"
            self.connections += 1
            async for told in _parse(answer.content):
                self.told.append(told)
                if told.event == "end" or (most := None if most is None else most - 1) == 0:
                    return

    async def read_to_the_end(self) -> None:
        """Reconnects whenever the connection breaks, and while the server is down."""
        while not (self.told and self.told[-1].event == "end"):
            with suppress(aiohttp.ClientError, AssertionError):
                await self.read()
            await asyncio.sleep(0.05)


async def _parse(content: aiohttp.StreamReader) -> AsyncIterator[Told]:
    """Parses the events of the stream (WHATWG HTML, "Interpreting an event stream"), without comments."""
    fields: dict[str, str] = {}
    async for raw in content:
        line = raw.decode().rstrip("\n")
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif "data" in fields:
            yield Told(id=fields["id"], event=fields["event"], data=json.loads(fields["data"]))
            fields = {}
        else:
            fields = {}
