"""The command `steno why`: the life of one call in the order of time, and what of it is missing."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from steno.cli import trust
from steno.cli.address import ApiError, find_api
from steno.cli.data_folder import DEFAULT_DATA, Data
from steno.cli.doctor import print_findings, shown_finding
from steno.cli.kafka_access import NoKafka, kafka_settings, quiet
from steno.cli.options import AsJson, Key, Url, examples
from steno.cli.terminal import out, styled
from steno.doctor.findings import Finding, exit_status
from steno.errors import StenoError
from steno.events.codec import Codec
from steno.events.registry import schema_ids
from steno.settings import SchemaSettings, SettingsError, TopicSettings, read_group
from steno.why.asking import Answers, ask_about
from steno.why.facts import Life, Seen
from steno.why.missing import missing
from steno.why.reading import read_records
from steno.why.timeline import Event, timeline, traces

EPILOG = examples("steno why 2026-11-22-0815", "KAFKA_BOOTSTRAP_SERVERS=broker:9092 steno why 2026-11-22-0815 --json")


def why(
    call: Annotated[str, typer.Argument(help="Id of the call, or of a recording of it.")],
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Show the life of one call over topics, ledger and deliveries, and what of it is missing, without what was said.

    It asks Kafka (KAFKA_BOOTSTRAP_SERVERS, or the suite of --data), ingest and the notifier (--url, or that suite), and says
    which of them it could not ask. Exit status: 0 nothing is missing, 1 warnings, 2 errors.
    """
    with quiet():
        life = asyncio.run(_gather(call, data, url, key))
    now = datetime.now(UTC)
    events, findings = timeline(life), missing(life, now=now, prefix=read_group(TopicSettings).prefix)
    if as_json:
        out.json(_document(life, events, findings))
    else:
        _print(life, events, findings)
    raise typer.Exit(exit_status(findings))


async def _gather(name: str, data: Path, url: str | None, key: str | None) -> Life:
    answers = await _ask(name, data, url, key)
    since, until = _span(answers)
    records: list[Seen] = []
    try:
        codec = Codec(await schema_ids(read_group(SchemaSettings)))
        kafka, topics = kafka_settings(data), read_group(TopicSettings)
        records, complete = await read_records(kafka, topics, codec, answers.call_id, since=since, until=until)
        if not complete:
            answers.unasked["Kafka, the rest"] = "not all records could be read within 30 s"
    except (NoKafka, SettingsError, StenoError, OSError) as failure:
        answers.unasked["Kafka"] = str(failure)
    return Life(
        call_id=answers.call_id,
        records=tuple(records),
        call=answers.call,
        recordings=tuple(answers.recordings),
        transcripts=answers.transcripts,
        deliveries=tuple(answers.deliveries),
        unasked=answers.unasked,
    )


async def _ask(name: str, data: Path, url: str | None, key: str | None) -> Answers:
    try:
        address = find_api(data, url=url, key=key)
        return await ask_about(
            name, ingest_url=address.url, notifier_url=address.notifier_url, key=address.key, connector=trust.connector()
        )
    except (ApiError, OSError) as failure:
        return Answers(call_id=name, unasked={"ingest": str(failure), "notifier": str(failure)})


def _span(answers: Answers) -> tuple[datetime | None, datetime | None]:
    """The time from which there are records of the call, and until which there is audio of it, where they are known."""
    begins = [entry["accepted_at"] for entry in [*answers.recordings, *([answers.call] if answers.call else [])]]
    since = min(map(datetime.fromisoformat, begins), default=None)
    ended = answers.call and answers.call["ended_at"]
    return since, datetime.fromisoformat(ended) if ended else None


def _print(life: Life, events: Sequence[Event], findings: Sequence[Finding]) -> None:
    for event in events:
        out.print_line(styled("dim", f"{event.at:%Y-%m-%d %H:%M:%S.%f}"[:-3]), f"  {event.what}  ", styled("dim", event.where))
    for trace in traces(life):
        out.print_line(styled("dim", "trace "), trace)
    print_findings(findings)


def _document(life: Life, events: Sequence[Event], findings: Sequence[Finding]) -> Mapping[str, Any]:
    return {
        "call_id": life.call_id,
        "events": [{"at": event.at.isoformat(), "what": event.what, "where": event.where} for event in events],
        "traces": traces(life),
        "findings": [shown_finding(finding) for finding in findings],
        "status": exit_status(findings),
    }
