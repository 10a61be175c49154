"""The command `steno bench`."""

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import psutil
import typer

import steno
from steno.broker import BrokerError
from steno.cli import api, run_file
from steno.cli.api import ApiError
from steno.cli.bench.figures import Figures
from steno.cli.bench.measure import Measurement, Meter
from steno.cli.bench.plan import COPIES, Load, Plan, Present, plan, warnings
from steno.cli.options import AsJson
from steno.cli.suite import Suite, SuiteError
from steno.cli.terminal import notes, out, styled
from steno.settings import TopicSettings

_QUIET_PERCENT = 10.0
_OF_THE_ENGINE = ("STENO_TRANSCRIBER_", "STENO_CACHE", "STENO_CA_FILE", "STENO_BROKER_")


def bench(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Recordings like those of your calls; by default, the samples.", exists=True, dir_okay=False),
    ] = None,
    calls: Annotated[int, typer.Option(help="Live calls at the busiest moment.", min=0)] = 0,
    hours: Annotated[float, typer.Option(help="Hours of recordings a day.", min=0)] = 0,
    window: Annotated[float, typer.Option(help="In how many hours of the day these are to be done.", min=0.1, max=24)] = 24,
    busy: Annotated[float, typer.Option(help="For how many hours a day there are as many calls.", min=0, max=24)] = 10,
    cores_per_replica: Annotated[int, typer.Option(help="Cores of one transcriber.", min=1)] = 4,
    as_json: AsJson = False,
) -> None:
    """Measure what this machine carries, and say what to set for a load. Takes about four minutes.

    It runs a suite of its own on a temporary folder, with a Kafka of its own and the settings of the engine in the environment
    (STENO_TRANSCRIBER_MODEL, …); other settings count only for the plan. Nothing else should work on the machine meanwhile.

    The exit status is 0 if the load fits, 2 if something does not; the warnings say what.
    """
    if (used := psutil.cpu_percent(interval=1)) > _QUIET_PERCENT:
        notes.print_line(
            styled("yellow", "warning:"), f" other programs use {used:.0f} % of this machine; it carries more than what follows"
        )
    chosen = files or sorted((Path(steno.__file__).parents[1] / "samples").glob("*.wav"))
    if not chosen:
        notes.print_error("there are no samples here; give recordings: steno bench FILE …")
        raise typer.Exit(1)
    try:
        with _alone():
            figures = asyncio.run(_measure(chosen))
    except (SuiteError, BrokerError, ApiError, TimeoutError) as error:
        notes.print_error(error or "the suite did not answer in time")
        raise typer.Exit(1) from None
    load = Load(calls=calls, hours_per_day=hours, window_hours=window, busy_hours=busy, cores_per_replica=cores_per_replica)
    found, present = plan(figures, load), _present(figures)
    said = warnings(found, figures, load, present) if calls or hours else []
    if as_json:
        out.json({"figures": figures.document(), "load": asdict(load), "plan": asdict(found), "warnings": said})
    else:
        _print_figures(figures)
        if calls or hours:
            _print_plan(found, load, said)
        else:
            out.print_line("What a load needs: steno bench --calls 200 --hours 500")
    if said:
        raise typer.Exit(2)


@contextmanager
def _alone() -> Iterator[None]:
    """Takes from the environment, for the block, what would make the suite a part of another: Kafka, databases, objects.

    What is measured, the engine, stays as it is set.
    """
    taken = {
        name: os.environ.pop(name)
        for name in list(os.environ)
        if name.startswith(("KAFKA_", "STENO_")) and not name.startswith(_OF_THE_ENGINE)
    }
    try:
        yield
    finally:
        os.environ.update(taken)


async def _measure(files: Sequence[Path]) -> Figures:
    began = time.monotonic()

    def report(step: str) -> None:
        notes.print_line(styled("dim", f"{time.monotonic() - began:5.1f} s"), "  ", step)

    with tempfile.TemporaryDirectory(prefix="steno-bench-") as folder:
        suite = Suite(Path(folder), allow_loopback_webhooks=True)
        try:
            await suite.start(report)
            processes = run_file.read(suite.data)["services"]
            pids = {name: process["pid"] for name, process in processes.items()}
            address = api.api_of(suite.data)
            async with api.connect_api(address) as client:
                return await Measurement(client, address, Meter(pids), files, report).run()
        finally:
            await suite.stop()


def _present(figures: Figures) -> Present:
    return Present(
        partitions=TopicSettings().partitions,
        partitions_set="STENO_TOPIC_PARTITIONS" in os.environ,
        disk_free_gb=shutil.disk_usage(Path.cwd()).free / 1e9,
        cores=figures.cores,
    )


def _print_figures(figures: Figures) -> None:
    batch, live = figures.batch, figures.live
    per_core = 1 / sum(batch.cpu.values())
    rows = [
        ("recordings", f"{batch.speed:.1f} x real time on {figures.cores} cores; {per_core:.0f} s of audio a core-second"),
        ("POST to webhook", f"{figures.webhook_seconds:.2f} s for {figures.webhook_audio_seconds:.0f} s of audio"),
    ]
    if live is None:
        rows.append(("live calls", "not one is kept up with"))
    else:
        rows += [
            (
                "live calls",
                f"{live.calls} at once, {figures.calls_per_core:.1f} a core; phrases {live.final_seconds:.2f} s late (p95)",
            ),
            ("memory of a call", _by_process(live.memory_mb, "{:.1f} MB")),
            ("CPU of a live call", _by_process(live.cpu, "{:.3f} s a second")),
        ]
    rows += [
        ("CPU of a recording", _by_process(batch.cpu, "{:.4f} s a second")),
        ("memory at rest", _by_process(figures.memory_mb, "{:.0f} MB")),
    ]
    out.table(("what", "this machine"), rows)


def _print_plan(found: Plan, load: Load, said: Sequence[str]) -> None:
    out.print_line()
    out.print_line(
        styled("bold", f"For {load.calls} live calls and {load.hours_per_day:g} hours of recordings a day"),
        f" (done in {load.window_hours:g} hours)",
    )
    rows = [(role, found.replicas[role], f"{found.cores[role]:.1f}") for role in sorted(found.replicas)]
    out.table(("role", "replicas", "cores in all"), rows)
    out.print_line(f"STENO_TOPIC_PARTITIONS={found.partitions}")
    out.print_line(f"Kafka's disks: {found.kafka_gb:.0f} GB in all for the audio of live calls ({COPIES} copies, kept a day)")
    out.print_line(f"object store: {found.objects_gb_per_day:.1f} GB more each day")
    for warning in said:
        notes.print_line(styled("yellow", "warning:"), " ", warning)


def _by_process(values: Mapping[str, float], form: str) -> str:
    return ", ".join(f"{name} {form.format(value)}" for name, value in values.items())
