"""The command `steno watch`: shows the records of a topic as they come, decoded."""

import asyncio
import difflib
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from steno.background import until_stopped
from steno.cli import completions
from steno.cli.data_folder import DEFAULT_DATA, Data
from steno.cli.kafka_access import run_stoppable
from steno.cli.options import AsJson, examples
from steno.cli.shown_records import fields_of, has_value, read_record, shown_fields, shown_key
from steno.cli.terminal import bad_parameter, out, styled
from steno.cli.times import parse_moment
from steno.events.catalogue import DEAD_LETTERS, Topic, catalogue
from steno.kafka import Begin, Cluster
from steno.kafka import watch as follow
from steno.kafka.messages import RawMessage
from steno.settings import TopicSettings, read_group

EPILOG = examples(
    "steno watch phrases --call 2026-11-22-0815",
    "steno watch transcripts --record TranscriptFailed --from -1h",
    "steno watch phrases --from beginning --limit 10 --where role=agent --json",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Filters:
    record: str | None
    #: Fields and the values that they must have.
    where: Sequence[tuple[str, str]]

    def take(self, name: str, fields: dict[str, Any]) -> bool:
        return self.record in (None, name) and all(has_value(fields, path, value) for path, value in self.where)


def watch(
    topic: Annotated[
        str, typer.Argument(help="Topic, with or without the prefix of the installation.", autocompletion=completions.topics)
    ],
    key: Annotated[
        str | None, typer.Option("--key", "--call", help="Only records with this key, which is the call's id on most topics.")
    ] = None,
    record: Annotated[
        str | None, typer.Option(help="Only records of this name, e.g. Phrase.", autocompletion=completions.records)
    ] = None,
    begin: Annotated[
        str, typer.Option("--from", metavar="WHEN", help="beginning, now, a time (2027-01-31T12:00:00Z), or -10m before now.")
    ] = "now",
    limit: Annotated[int | None, typer.Option(help="End after this number of records.", min=1)] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=VALUE", help="Only records with this value; FIELD may be a.0.b."),
    ] = None,
    as_json: AsJson = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """Show the records of a topic as they come, decoded, until Ctrl-C.

    It joins no consumer group and commits nothing. Audio is shown as its length. What cannot be decoded is shown with the
    reason, unless --record or --where select records. Kafka is that of KAFKA_BOOTSTRAP_SERVERS, else of the suite of --data.
    """
    found = _topic(topic)
    filters = _Filters(record=_record(record, found), where=[_condition(text) for text in where or ()])
    since = _begin(begin)

    async def work(cluster: Cluster, stopping: asyncio.Event) -> None:
        await until_stopped(_show(cluster, found, since, key, filters, limit, as_json=as_json), stopping)

    run_stoppable(data, work)


async def _show(
    cluster: Cluster,
    topic: Topic,
    begin: Begin | datetime,
    key: str | None,
    filters: _Filters,
    limit: int | None,
    *,
    as_json: bool,
) -> None:
    shown = 0
    wanted = None if key is None else key.encode("utf-8", "surrogateescape")
    async with aclosing(follow(cluster, cluster.topic_name(topic), begin=begin, key=wanted)) as messages:
        async for raw in messages:
            line = await _described(raw, topic, cluster, filters)
            if line is None:
                continue
            out.json(line, indent=None) if as_json else _print(line)
            shown += 1
            if shown == limit:
                return


async def _described(raw: RawMessage, topic: Topic, cluster: Cluster, filters: _Filters) -> dict[str, Any] | None:
    """What is shown of a message; None if the filters leave it out."""
    line: dict[str, Any] = {
        "topic": raw.topic,
        "partition": raw.partition,
        "offset": raw.offset,
        "time": _time(raw.timestamp),
        "key": shown_key(raw.key),
    }
    record, reason = await read_record(raw, topic, cluster.codec)
    if record is not None:
        name, fields = type(record).__name__, fields_of(record)
        return {**line, "record": name, "fields": fields} if filters.take(name, fields) else None
    if filters.record is not None or filters.where:
        return None
    if topic is DEAD_LETTERS:
        headers = {name: (value or b"").decode("utf-8", "replace") for name, value in raw.headers if name.startswith("steno-")}
        reason = f"{headers.get('steno-error-class', '')}: {headers.get('steno-error-message', '')}"
    return {**line, "record": None, "bytes": len(raw.value or b""), "reason": reason}


def _print(line: dict[str, Any]) -> None:
    head = styled("dim", f"{line['time'][:23]} {line['partition']}:{line['offset']} ")
    if line["record"] is None:
        out.print_line(head, line["key"], " ", styled("red", f"{line['bytes']} bytes"), f"  {line['reason']}")
    else:
        fields = {name: value for name, value in line["fields"].items() if value != line["key"]}
        out.print_line(head, line["key"], " ", styled("bold", line["record"]), f"  {shown_fields(fields)}")


def _time(milliseconds: int) -> str:
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return f"{milliseconds} ms"


def _topic(name: str) -> Topic:
    plain = name.removeprefix(read_group(TopicSettings).prefix)
    found = catalogue().get(name) or catalogue().get(plain)
    if found is None:
        close = difflib.get_close_matches(plain, catalogue(), n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise bad_parameter(f"{name} is not a topic of Steno; {hint}There are {', '.join(catalogue())}")
    return found


def _record(name: str | None, topic: Topic) -> str | None:
    if name is not None and name not in topic.records:
        carries = ", ".join(topic.records) or "none"
        raise bad_parameter(f"--record {name}: the records of {topic.name} are: {carries}")
    return name


def _condition(text: str) -> tuple[str, str]:
    path, separator, value = text.partition("=")
    if not separator or not path:
        raise bad_parameter(f"--where {text}: write FIELD=VALUE, e.g. --where role=agent")
    return path, value


def _begin(text: str) -> Begin | datetime:
    if text in ("beginning", "now"):
        return Begin.OLDEST if text == "beginning" else Begin.NOW
    try:
        return parse_moment(text, now=datetime.now(UTC))
    except ValueError as error:
        raise bad_parameter(f"--from {text}: beginning, now, or a time: {error}") from None
