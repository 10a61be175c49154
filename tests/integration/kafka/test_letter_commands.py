"""`steno dead-letters` and `steno watch` against a real broker."""

import asyncio
import json
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from support.kernel import GroupUnderTest, recording
from typer.testing import CliRunner, Result

from steno.cli.__main__ import app
from steno.errors import Permanent
from steno.events.catalogue import RECORDINGS
from steno.events.codec import UndecodableRecord
from steno.kafka.errors import WrongRecord


def at_origin(group: GroupUnderTest, offset: int, key: bytes, value: bytes) -> Any:
    """A message at its origin."""
    return ConsumerRecord(group.topic, 1, offset, 0, 0, key, value, None, 0, 0, (("traceparent", b"t\x1b[2J"),))


@pytest.fixture
async def letters(group: GroupUnderTest, monkeypatch: pytest.MonkeyPatch) -> GroupUnderTest:
    """Three dead letters: a record with the wrong key, bytes that are no record, a key that is not UTF-8."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", group.kafka.bootstrap_servers)
    monkeypatch.setenv("STENO_TOPIC_PREFIX", group.topics.prefix)
    monkeypatch.setenv("STENO_TOPIC_PARTITIONS", str(group.topics.partitions))
    good = group.producer.encode(RECORDINGS, recording("call-1")).value
    put: list[tuple[bytes, bytes, Permanent]] = [
        (b"call-1", good, WrongRecord("it is \x1b[31mwrong")),
        (b"call-2", b"\xde\xad not avro", UndecodableRecord("not framed")),
        (b"\xff", b"\xde\xad", UndecodableRecord("the key is not UTF-8")),
    ]
    for offset, (key, value, error) in enumerate(put):
        await group.cluster.dead_letters.put(at_origin(group, offset, key, value), error, 1)
    return group


async def steno(*arguments: str, status: int = 0, answer: str = "") -> Result:
    """Runs a command, which is to end with this status."""
    result = await asyncio.to_thread(CliRunner().invoke, app, arguments, input=answer, env={"COLUMNS": "250"})
    assert result.exit_code == status, result.output
    assert "\x1b" not in result.output
    return result


async def listed(*arguments: str) -> dict[str, Any]:
    """What `list` says to scripts."""
    document: dict[str, Any] = json.loads((await steno("dead-letters", "list", "--json", *arguments)).stdout)
    return document


async def test_letters_are_listed_with_advice(letters: GroupUnderTest) -> None:
    """By error class and origin, with what to do; the newest one by one; filtered by each option."""
    shown = (await steno("dead-letters", "list")).stdout
    assert "wrong_record" in shown
    assert "purge it" in shown
    assert shown.count("call-2") == 1
    document = await listed()
    assert {(group["error_class"], group["letters"]) for group in document["groups"]} == {
        ("wrong_record", 1),
        ("undecodable", 2),
    }
    assert len(document["newest"]) == 3
    assert (await listed("--class", "undecodable", "--origin", "recordings", "--service", "ingest", "--since", "-1h"))["groups"]
    for nothing in (("--class", "unexpected"), ("--origin", "phrases"), ("--service", "notifier"), ("--since", "2999-01-01")):
        assert await listed("--summary", *nothing) == {"groups": []}
    assert "no dead letters of this selection" in (await steno("dead-letters", "list", "--class", "unexpected")).stdout


async def test_a_letter_is_shown_decoded_or_as_bytes(letters: GroupUnderTest) -> None:
    """With why it is one and what to do; an id that is not there is answered with those that are."""
    by_key = {letter["key"]: letter["id"] for letter in (await listed())["newest"]}
    decodable = json.loads((await steno("dead-letters", "show", by_key["call-1"], "--json")).stdout)
    assert decodable["record"] == "RecordingSubmitted"
    assert decodable["fields"]["url"] == "https://audio.example/call-1.wav"
    assert (decodable["origin_topic"], decodable["origin_partition"], decodable["origin_offset"]) == (letters.topic, 1, 0)
    undecodable = (await steno("dead-letters", "show", by_key["call-2"])).stdout
    assert "de ad 20 6e 6f 74" in undecodable
    assert "Confluent framing" in undecodable
    assert "traceparent" in undecodable
    assert "not UTF-8" in (await steno("dead-letters", "show", by_key["\\xff"])).stdout
    partition, _, offset = by_key["call-1"].partition(":")
    assert (
        f"partition {partition} holds"
        in (await steno("dead-letters", "show", f"{partition}:{int(offset) + 99}", status=2)).stderr
    )
    assert "PARTITION:OFFSET" in (await steno("dead-letters", "show", "first", status=2)).stderr


async def test_letters_are_redriven_and_purged(letters: GroupUnderTest) -> None:
    """Those of a class once; then they are marked, and deleted after a question; a selection must be given."""
    del letters
    assert "--all" in (await steno("dead-letters", "redrive", status=2)).stderr
    assert "no dead letter is of this" in (await steno("dead-letters", "redrive", "0:999", status=1)).stderr
    planned = json.loads((await steno("dead-letters", "redrive", "--class", "undecodable", "--dry-run", "--json")).stdout)
    assert (planned["sent"], planned["dry_run"]) == (2, True)
    assert "2 letters sent back" in (await steno("dead-letters", "redrive", "--class", "undecodable")).stdout
    again = (await steno("dead-letters", "redrive", "--all")).stdout
    assert "1 letters sent back" in again
    assert "2 were sent before" in again
    assert {group["redriven"] for group in (await listed("--summary"))["groups"]} == {1, 2}
    await steno("dead-letters", "purge", "--redriven", status=1, answer="n\n")
    assert len((await listed())["newest"]) == 3
    assert "3 letters deleted, 0 remain" in (await steno("dead-letters", "purge", "--redriven", "--yes")).stdout
    assert (await steno("dead-letters", "list")).stdout == "there are no dead letters\n"
    assert "0 letters deleted" in (await steno("dead-letters", "purge", "--all")).stdout


async def test_a_topic_is_watched(letters: GroupUnderTest) -> None:
    """Decoded, by key, by record, by field; what cannot be decoded is shown with the reason; no group is joined."""
    names = [f"c{number}" for number in range(8)]
    await letters.produce(names)
    await letters.producer.send_raw(RECORDINGS, key=b"c3", value=b"{}", headers=())
    watch = ("watch", "recordings", "--from", "beginning", "--json")
    lines = [json.loads(line) for line in (await steno(*watch, "--limit", "9")).stdout.splitlines()]
    assert sorted(line["key"] for line in lines) == sorted([*names, "c3"])
    (bad,) = [line for line in lines if line["record"] is None]
    assert (bad["key"], bad["bytes"]) == ("c3", 2)
    assert "Confluent framing" in bad["reason"]
    of_call = (await steno("watch", letters.topic, "--from", "-1h", "--call", "c3", "--limit", "2")).stdout.splitlines()
    assert "RecordingSubmitted  url=https://audio.example/c3.wav" in of_call[0]
    assert "2 bytes" in of_call[1]
    by_field = (*watch, "--record", "RecordingSubmitted", "--where", "url=https://audio.example/c5.wav", "--limit", "1")
    assert json.loads((await steno(*by_field)).stdout)["key"] == "c5"
    dead = (await steno("watch", "dead-letters", "--from", "beginning", "--limit", "3")).stdout
    assert "undecodable: UndecodableRecord: not framed" in dead


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("phrase",), "did you mean phrases?"),
        (("nothing",), "There are recordings, call-audio"),
        (("phrases", "--record", "CallStarted"), "the records of phrases are: Phrase"),
        (("phrases", "--where", "role"), "FIELD=VALUE"),
        (("phrases", "--from", "yesterday"), "beginning, now, or a time"),
    ],
)
async def test_a_wrong_argument_of_watch_is_explained(arguments: tuple[str, ...], said: str) -> None:
    """With what would be right."""
    said_words = " ".join((await steno("watch", *arguments, status=2)).stderr.replace("│", " ").split())
    assert said in said_words


async def test_a_topic_that_is_not_there_yet_and_a_kafka_that_is_not_reached(
    letters: GroupUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is one line on standard error, with what to do."""
    del letters
    assert "steno topics create" in (await steno("watch", "phrases", status=1)).stderr
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    for command in (("watch", "phrases"), ("dead-letters", "list"), ("dead-letters", "redrive", "--all")):
        unreachable = (await steno(*command, status=1)).stderr
        assert "KAFKA_BOOTSTRAP_SERVERS" in unreachable
        assert len(unreachable.splitlines()) == 1
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS")
    assert "no suite runs on nowhere" in (await steno("watch", "phrases", "--data", "nowhere", status=1)).stderr
