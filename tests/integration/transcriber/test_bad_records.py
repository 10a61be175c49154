"""Bad records by the thousand on the topics that anybody may write, with ingest and a transcriber as they run."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from support.ingest_process import IngestProcess, eventually
from support.live_transcriber import LiveInstallation, live_installation, written
from support.recordings import excerpt
from support.speech import call_audio

from steno.events import ids
from steno.events.catalogue import CALL_AUDIO, RECORDINGS
from steno.events.records import AudioChunk, CallStarted, TranscriptFailed
from steno.kafka.producer import Encoded

pytestmark = pytest.mark.timeout(240)

JSON = b'{"call_id": 1}'

Mutant = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]


def mutants(records: list[Encoded], number: int, seed: int) -> Iterator[Mutant]:
    """Real records, each changed in one of the ways in which records go wrong."""
    dice = random.Random(seed)
    for _ in range(number):
        record = dice.choice(records)
        key: bytes | None = record.key
        value, headers = bytearray(record.value), list(record.headers)
        match dice.randrange(9):
            case 0:
                value[dice.randrange(len(value))] ^= 1 << dice.randrange(8)
            case 1:
                del value[dice.randrange(len(value)) :]
            case 2:
                value[1:5] = dice.randbytes(4)
            case 3:
                value[4] ^= 1 << dice.randrange(8)
            case 4:
                at = dice.randrange(5, len(value))
                value[at:at] = b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"
            case 5:
                key = dice.choice([None, b"\xff\xfe", b"somebody else"])
            case 6:
                headers = [("traceparent", b"\xff\xfe"), ("ce_source", b"\xff"), ("x", b"\0" * 100)]
                value[5:9] = b"\xff\xfe\xfd\xfc"
            case 7:
                yield key, None, headers
                continue
            case _:
                value = bytearray(dice.randbytes(dice.randrange(400)))
        yield key, bytes(value), headers


def absurd(number: int) -> Iterator[CallStarted | AudioChunk]:
    """A call whose chunks each begin at a place that cannot be."""
    first = written("absurd", call_audio()[:, :16_000])[0].record
    assert isinstance(first, CallStarted)
    yield first
    for sequence in range(number):
        yield AudioChunk(call_id="absurd", sequence=sequence, position=2**50 + 2**30 * sequence, audio=b"\0" * 3200)


@pytest.fixture
async def steno(kafka: str, topic_prefix: str, tmp_path: Path) -> AsyncIterator[LiveInstallation]:
    async with live_installation(kafka, topic_prefix, tmp_path) as made:
        yield made


async def test_bad_records_by_the_thousand_cost_themselves(
    kafka: str, topic_prefix: str, tmp_path: Path, steno: LiveInstallation
) -> None:
    """A live call goes on and a recording behind them is done; no process ends; one dead letter each; a bad call fails once."""
    made, worker = steno.made, steno.worker("a")
    log = written("good", call_audio()[:, : 20 * 16_000])
    victims = [entry.record for number in range(8) for entry in written(f"v{number}", call_audio()[:, : 4 * 16_000])]
    encoded = [made.producer.encode(CALL_AUDIO, record) for record in victims]
    path = excerpt(tmp_path / "calls" / "good.wav", seconds=5)
    async with IngestProcess(kafka, topic_prefix, tmp_path, f"sqlite:///{tmp_path}/ingest.db") as ingest:
        await worker.start()
        await ingest.ready()
        await worker.ready()
        pids = (ingest.pid, worker.pid)
        await steno.play(log[:50])

        async def flood() -> None:
            await asyncio.gather(
                *(
                    made.producer.send_raw(RECORDINGS, key=b"json%d" % n, value=b'{"call_id": 1}', headers=[])
                    for n in range(1000)
                ),
                *(
                    made.producer.send_raw(
                        CALL_AUDIO, key=key, value=b"" if key is None and value is None else value, headers=headers
                    )
                    for key, value, headers in mutants(encoded, 2000, seed=7)
                ),
            )
            for record in absurd(300):
                await made.producer.send(CALL_AUDIO, record)

        async def play_on() -> None:
            for entry in log[50:]:
                await steno.play([entry])
                assert (await ingest.request("GET", "/health/ready"))[0] == 200

        await asyncio.gather(flood(), play_on())
        await made.submit("behind", path.as_uri())
        await steno.completed([log])
        await made.until(lambda: "behind" in made.ended())
        await made.until(lambda: ids.live_pass_id("absurd") in made.ended(TranscriptFailed))

        async def states() -> bool:
            answers = [(await ingest.request("GET", f"/v1/calls/{call}"))[1] for call in ("good", "absurd")]
            return [answer.get("state") for answer in answers] == ["completed", "failed"]

        await eventually(states)
        _, absurd_call = await ingest.request("GET", "/v1/calls/absurd")
        assert absurd_call["error"] == "unusable_records"
        assert made.failure(ids.live_pass_id("absurd")).error == "unusable_records"
        await made.until(lambda: _of(made.dead_letters, RECORDINGS.name) >= 1000)
        assert (ingest.pid, worker.pid) == pids
        assert ingest.running
        assert worker.running
        for service in (ingest, worker):
            assert "steno_kafka_records_held" not in await service.metrics() or not _held(await service.metrics())
            failed = [line for line in service.lines if line["event"] == "message.failed"]
            assert len(failed) < 200, Counter(line.get("error_class") for line in failed)
    assert {letter["steno-service"] for letter in made.dead_letters} == {b"ingest"}
    places = Counter(
        (letter["steno-origin-topic"], letter["steno-origin-partition"], letter["steno-origin-offset"])
        for letter in made.dead_letters
    )
    assert max(places.values()) == 1
    assert _of(made.dead_letters, RECORDINGS.name) == 1000
    assert b"unexpected" not in {letter["steno-error-class"] for letter in made.dead_letters}


def _of(letters: list[dict[str, bytes]], topic: str) -> int:
    return sum(letter["steno-origin-topic"].decode().endswith(topic) for letter in letters)


def _held(metrics: str) -> float:
    lines = [line for line in metrics.splitlines() if line.startswith("steno_kafka_records_held{")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)
