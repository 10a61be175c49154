"""Options that several commands share, and examples for their help."""

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]

Url = Annotated[
    str | None,
    typer.Option(help="URL of ingest, http(s)://HOST:PORT; by default, the suite of --data.", envvar="STENO_UP_URL"),
]
Key = Annotated[
    str | None,
    typer.Option(
        help="API key for --url; safer in the environment variable, which process lists do not show.", envvar="STENO_UP_API_KEY"
    ),
]


def examples(*commands: str) -> str:
    """Examples as the epilog of a command: each is a paragraph, as typer joins lines within one."""
    return "\n\n".join(["Examples:", *commands])
