"""The commands `steno dead-letters redrive` and `purge`."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from steno.cli.data_folder import DEFAULT_DATA, Data
from steno.cli.dead_letter_counts import COLUMNS, LetterCounts, count_letters, letter_progress
from steno.cli.dead_letter_selection import Classes, Origins, Services, Since, selection
from steno.cli.kafka_access import run_on_kafka, run_stoppable
from steno.cli.options import AsJson, examples
from steno.cli.terminal import INTERRUPTED, bad_parameter, notes, out
from steno.cli.times import parse_moment
from steno.kafka import Cluster, LetterTopic, Redrive, RedriveCount, delete_before, open_letters

REDRIVE_EXAMPLES = examples(
    "steno dead-letters redrive --class unknown_schema --dry-run",
    "steno dead-letters redrive --class unknown_schema --rate 200",
    "steno dead-letters redrive 3:17 3:18",
)
PURGE_EXAMPLES = examples("steno dead-letters purge --redriven", "steno dead-letters purge --before -7d --yes")


def redrive(
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Letters, as `list` shows them.")] = None,
    classes: Classes = None,
    origins: Origins = None,
    services: Services = None,
    since: Since = None,
    everything: Annotated[bool, typer.Option("--all", help="All letters.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Send nothing; count what would be sent.")] = False,
    rate: Annotated[float | None, typer.Option(help="The most letters sent a second.", min=0.1)] = None,
    as_json: AsJson = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """Send dead letters back to the topics they came from, each once: bytes, key and headers as they were.

    What an earlier run sent is not sent again. After Ctrl-C, or when Kafka went away, the next run goes on where this one was.
    What fails again is a new dead letter. Exit status: 0 all sent, 1 some could not be, 130 stopped by Ctrl-C.
    """
    wanted = selection(classes, origins, services, since, ids)
    if wanted.is_everything is not everything:
        raise bad_parameter("give IDs, --class, --origin, --service or --since to select letters, or else --all")

    async def work(cluster: Cluster, stopping: asyncio.Event) -> RedriveCount:
        async with open_letters(cluster) as letters:
            with letter_progress() as progress:
                task = progress.add_task("redriving", total=letters.total)

                def report(count: RedriveCount) -> None:
                    progress.update(task, completed=count.seen, description=f"{count.sent} sent, letters read")

                return await Redrive(
                    cluster,
                    letters,
                    lambda letter: wanted.takes(letter, cluster.topics.prefix),
                    stopping=stopping,
                    per_second=rate,
                    dry_run=dry_run,
                    report=report,
                ).run()

    count = run_stoppable(data, work)
    nothing = not (count.sent or count.sent_before or count.failed or count.stopped or wanted.is_everything)
    if as_json:
        out.json({"dry_run": dry_run, **asdict(count)})
    else:
        _print_count(count, dry_run=dry_run)
    if count.stopped:
        raise typer.Exit(INTERRUPTED)
    if nothing:
        notes.print_error("no dead letter is of this selection; `steno dead-letters list` shows those that are there")
    if count.failed or nothing:
        raise typer.Exit(1)


def purge(
    redriven: Annotated[
        bool, typer.Option("--redriven", help="The oldest letters of each partition, up to the first that was not sent back.")
    ] = False,
    before: Annotated[
        str | None, typer.Option(metavar="TIME", help="Letters older than this: 2027-01-31T12:00:00Z, or -7d before now.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All letters.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """Delete dead letters for good, after a question; shows what is deleted, and how many remain.

    Kafka deletes from the beginning of a partition only, so letters cannot be deleted by their class.
    Exit status: 0 deleted, 1 not deleted.
    """
    if (redriven, before is not None, everything).count(True) != 1:
        raise bad_parameter("give one of --redriven, --before TIME, or --all")
    try:
        moment = None if before is None else parse_moment(before, now=datetime.now(UTC))
    except ValueError as error:
        raise bad_parameter(error) from None

    async def look(cluster: Cluster) -> tuple[Mapping[int, int], LetterCounts, int]:
        async with open_letters(cluster) as letters:
            offsets = await _offsets(letters, moment, redriven=redriven)
            counts = await count_letters(letters, lambda letter: letter.offset < offsets[letter.partition])
            return offsets, counts, letters.total - counts.total

    offsets, counts, remaining = run_on_kafka(data, look)
    document: dict[str, Any] = {"deleted": 0, "remaining": remaining, "groups": counts.document()}
    if counts.total:
        if not as_json:
            out.table(COLUMNS, counts.rows())
        lost = sum(group.letters - group.redriven for group in counts.groups.values())
        question = f"Delete these {counts.total} letters, of which {lost} were never sent back?"
        if not yes:
            typer.confirm(question, abort=True, err=True)

        async def delete(cluster: Cluster) -> None:
            await delete_before(cluster, offsets)

        run_on_kafka(data, delete)
        document["deleted"] = counts.total
    if as_json:
        out.json(document)
    else:
        out.print_line(f"{document['deleted']} letters deleted, {remaining} remain")


async def _offsets(letters: LetterTopic, before: datetime | None, *, redriven: bool) -> Mapping[int, int]:
    """The offset of each partition before which letters are deleted."""
    ends = {partition: end for partition, (_, end) in letters.spans.items()}
    if before is not None:
        return await letters.offsets_before(before)
    if redriven:
        async for letter in letters.letters():
            if not letters.was_redriven(letter):
                ends[letter.partition] = min(ends[letter.partition], letter.offset)
    return ends


def _print_count(count: RedriveCount, *, dry_run: bool) -> None:
    sent = "would be sent" if dry_run else "sent back to their topics"
    out.print_line(f"{count.sent} letters {sent}, {count.sent_before} were sent before, {count.failed} cannot be sent")
    for letter_id, reason in count.faults.items():
        notes.print_line(f"  {letter_id}: {reason}")
    if count.failed > len(count.faults):
        notes.print_line(f"  and {count.failed - len(count.faults)} more")
    if count.stopped:
        notes.print_line("stopped before the end; the same command goes on from here")
