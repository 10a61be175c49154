"""Makes the commands for the database of a service (`steno NAME migrate`)."""

import asyncio
from collections.abc import Callable

import typer

from steno.cli.options import examples
from steno.cli.terminal import notes, out
from steno.errors import StenoError
from steno.settings import SettingsError


def database_commands(service: str, url: Callable[[], str]) -> typer.Typer:
    """Makes the commands for one service's database.

    Args:
        url: Reads the URL of its database from the environment; raises `SettingsError`.
    """
    app = typer.Typer(help=f"Migrate the database of {service}.", no_args_is_help=True)

    # Without a callback, typer would give a single command no name.
    app.callback()(lambda: None)

    @app.command(
        help=f"Bring the tables of {service} up to date, as the service does at its start. It reads {service}'s settings.",
        epilog=examples(f"steno {service} migrate"),
    )
    def migrate() -> None:
        try:
            asyncio.run(_migrate(url(), f"steno_{service}"))
        except (StenoError, SettingsError, ValueError, OSError) as error:
            notes.print_error(error)
            raise typer.Exit(1) from None
        out.print_line(f"the tables of {service} are up to date")

    return app


async def _migrate(url: str, package: str) -> None:
    # Imported here because it is slow, and other commands do not need it.
    from steno.storage import database

    engine = database.connect(url)
    try:
        with database.translate_errors():
            await database.migrate(engine, package)
    finally:
        await engine.dispose()
