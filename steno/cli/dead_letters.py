"""The commands `steno dead-letters`: `list` and `show`; `steno.cli.dead_letter_changes` has those that change something."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from steno.cli.data_folder import DEFAULT_DATA, Data
from steno.cli.dead_letter_advice import advice_for
from steno.cli.dead_letter_changes import PURGE_EXAMPLES, REDRIVE_EXAMPLES, purge, redrive
from steno.cli.dead_letter_counts import COLUMNS, LetterCounts, count_letters, moment_text
from steno.cli.dead_letter_selection import Classes, Origins, Services, Since, selection
from steno.cli.kafka_access import run_on_kafka
from steno.cli.options import AsJson, examples
from steno.cli.shown_records import fields_of, hex_dump, read_record, shown_key
from steno.cli.terminal import bad_parameter, out, styled
from steno.events.catalogue import Topic, catalogue
from steno.kafka import Cluster, Letter, LetterTopic, open_letters, parse_id

app = typer.Typer(
    help="List, show, send back and purge dead letters: records that no service could process.", no_args_is_help=True
)

_SHOWN = 20


@app.command(
    "list",
    epilog=examples("steno dead-letters list", "steno dead-letters list --class undecodable --since -1d --summary --json"),
)
def list_letters(
    classes: Classes = None,
    origins: Origins = None,
    services: Services = None,
    since: Since = None,
    summary: Annotated[bool, typer.Option("--summary", help="Leave out the newest letters.")] = False,
    as_json: AsJson = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """Show the dead letters by error class, origin and service, what to do about each class, and the newest letters."""
    wanted = selection(classes, origins, services, since)

    async def work(cluster: Cluster) -> LetterCounts:
        async with open_letters(cluster) as letters:
            prefix = cluster.topics.prefix
            return await count_letters(letters, lambda each: wanted.takes(each, prefix), newest=0 if summary else _SHOWN)

    counts = run_on_kafka(data, work)
    if as_json:
        listed = {} if summary else {"newest": [_described(letter) for letter in counts.newest]}
        out.json({"groups": counts.document(), **listed})
        return
    if not counts.groups:
        out.print_line("there are no dead letters" + ("" if wanted.is_everything else " of this selection"))
        return
    out.table(COLUMNS, counts.rows())
    for error_class in sorted({name[0] for name in counts.groups}):
        advice = advice_for(error_class)
        out.print_line(styled("bold", error_class or "(none)"), f": {advice.what} {advice.do}.")
    for letter in counts.newest:
        what = f"{letter.id}  {letter.error_class}  {shown_key(letter.key)}  {letter.error_message}"
        out.print_line(styled("dim", f"{moment_text(letter.at)}  "), what)
    if counts.newest:
        out.print_line("`steno dead-letters show ID` shows one of them (ID is its PARTITION:OFFSET)")


@app.command(epilog=examples("steno dead-letters show 3:17"))
def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="PARTITION:OFFSET of the letter, as `list` shows it.")],
    as_json: AsJson = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """Show one dead letter: why it is one, its headers, and its record, or its bytes where they cannot be decoded."""
    try:
        partition, offset = parse_id(letter_id)
    except ValueError as error:
        raise bad_parameter(error) from None

    async def work(cluster: Cluster) -> dict[str, Any]:
        async with open_letters(cluster) as letters:
            letter = await letters.letter(partition, offset)
            if letter is None:
                begin, end = letters.spans.get(partition, (0, 0))
                kept = f"holds {begin} to {end - 1}" if begin < end else "holds none"
                raise bad_parameter(f"there is no dead letter {letter_id}: partition {partition} {kept}")
            return await _whole(cluster, letters, letter)

    document = run_on_kafka(data, work)
    dump = document.pop("_dump")
    if as_json:
        out.json(document)
        return
    for name, value in document.items():
        if name not in ("headers", "fields"):
            out.print_line(styled("dim", f"{name:>16}  "), value)
    for name, text in document["headers"]:
        out.print_line(styled("dim", f"{'header':>16}  "), f"{name}: {text}")
    if document["fields"] is not None:
        out.json(document["fields"])
    for row in dump:
        out.print_line(row)


app.command(epilog=REDRIVE_EXAMPLES)(redrive)
app.command(epilog=PURGE_EXAMPLES)(purge)


async def _whole(cluster: Cluster, letters: LetterTopic, letter: Letter) -> dict[str, Any]:
    """All that is known of a letter; where it is only an outline, with the message at its origin if that is still there."""
    raw = await letters.original(letter) if letter.left_out else None
    value = raw.value if raw is not None else letter.value
    record, reason = await read_record(_AsAtOrigin(letter, value), _origin(cluster, letter), cluster.codec)
    if letter.left_out:
        where = "is shown from its origin" if raw is not None else "is not at its origin any more"
        reason = f"Kafka kept only an outline here; the message {where}. {reason}".strip()
    advice = advice_for(letter.error_class)
    return {
        **_described(letter),
        "redriven": letters.was_redriven(letter),
        "what": advice.what,
        "do": advice.do,
        "headers": [(name, text.decode("utf-8", "backslashreplace")) for name, text in letter.headers],
        "record": None if record is None else type(record).__name__,
        "fields": None if record is None else fields_of(record),
        "undecoded": reason or None,
        "bytes": None if value is None else len(value),
        "hex": None if record is not None or value is None else value[:64].hex(),
        "_dump": [] if record is not None or value is None else list(hex_dump(value)),
    }


class _AsAtOrigin:
    """The message of a letter as it was at its origin, to be decoded."""

    def __init__(self, letter: Letter, value: bytes | None) -> None:
        self.topic = letter.origin_topic
        self.partition = letter.origin_partition or 0
        self.offset = letter.origin_offset or 0
        self.timestamp = letter.timestamp_ms
        self.key = letter.key
        self.value = value
        self.headers: Sequence[tuple[str, bytes | None]] = list(letter.headers)


def _origin(cluster: Cluster, letter: Letter) -> Topic | None:
    return next((topic for topic in catalogue().values() if cluster.topic_name(topic) == letter.origin_topic), None)


def _described(letter: Letter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "at": letter.at.isoformat(),
        "key": None if letter.key is None else shown_key(letter.key),
        "error_class": letter.error_class,
        "error_message": letter.error_message,
        "origin_topic": letter.origin_topic,
        "origin_partition": letter.origin_partition,
        "origin_offset": letter.origin_offset,
        "service": letter.service,
        "attempts": letter.attempts,
        "redrives": letter.redrives,
    }
