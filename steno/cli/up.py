"""The command `steno up`: runs the suite on this machine until it is stopped."""

import asyncio
import logging
import signal
import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer

from steno import private_files
from steno.background import until_stopped
from steno.broker import BrokerError
from steno.cli import demo as demo_module
from steno.cli.api import ApiError
from steno.cli.data_folder import DEFAULT_DATA
from steno.cli.suite import Suite, SuiteError
from steno.cli.terminal import bad_parameter, clean, out, styled


def up(
    data: Annotated[
        Path, typer.Option(help="Folder for Kafka, databases, recordings, logs and run.json.", envvar="STENO_UP_DATA")
    ] = DEFAULT_DATA,
    demo: Annotated[bool, typer.Option(help="Submit the sample calls, and show their results.")] = False,
    once: Annotated[
        bool, typer.Option(help="With --demo: stop after the last result; exit status 0 if all samples succeeded.")
    ] = False,
) -> None:
    """Run Kafka (unless KAFKA_BOOTSTRAP_SERVERS names a cluster) and the four services on this machine.

    A process that ends is restarted. Ctrl-C stops everything in order; unfinished work continues at the next start.
    """
    private_files.set_umask()
    if once and not demo:
        raise bad_parameter("--once goes with --demo")
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        processors=[
            structlog.processors.TimeStamper(fmt="%H:%M:%S"),
            structlog.processors.format_exc_info,
            _cleaned,
            structlog.dev.ConsoleRenderer(colors=out.console.is_terminal),
        ],
    )
    try:
        raise typer.Exit(asyncio.run(_up(data, demo=demo, once=once)))
    except (SuiteError, BrokerError, ApiError) as error:
        out.print_error(error)
        raise typer.Exit(1) from None


async def _up(data: Path, *, demo: bool, once: bool) -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    suite = Suite(data, allow_loopback_webhooks=demo)
    began = time.monotonic()

    def report(*step: object) -> None:
        out.print_line(styled("dim", f"{time.monotonic() - began:5.1f} s"), "  ", *step)

    try:
        await until_stopped(suite.start(report), stopping)
        if stopping.is_set():
            return 0
        report(styled("bold green", "Steno is up"), f", its data in {suite.data}")
        came_back = True
        if demo:
            came_back = bool(await until_stopped(demo_module.run(suite), stopping))
        if once:
            return 0 if came_back else 1
        _print_next_steps(suite)
        await stopping.wait()
        return 0
    finally:
        out.print_line("stopping …")
        await suite.stop()
        out.print_line("stopped")


def _cleaned(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {name: clean(value) if isinstance(value, str) else value for name, value in event.items()}


def _print_next_steps(suite: Suite) -> None:
    where = "" if suite.data == DEFAULT_DATA.absolute() else f" --data {suite.data}"
    out.print_line()
    out.print_line(f"  REST API         {suite.urls['ingest']}/docs")
    out.print_line(f"  deliveries       {suite.urls['notifier']}/docs")
    out.print_line(f"  API key          {suite.api_key_file}")
    out.print_line(f"  Kafka            {suite.kafka}")
    out.print_line(f"  logs             {suite.data / 'logs'}")
    out.print_line()
    out.print_line("Try, in another terminal:")
    out.print_line(f"  steno submit samples --wait{where}")
    out.print_line(f"  steno call samples/lost-card.wav{where}")
    out.print_line(f"  steno ledger{where}")
    out.print_line(f'  curl -H "X-Api-Key: $(cat {suite.api_key_file})" {suite.urls["ingest"]}/v1/recordings')
    out.print_line("Ctrl-C stops everything.")
