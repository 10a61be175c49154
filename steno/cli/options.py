"""Options that several commands share, and examples for their help."""

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def examples(*commands: str) -> str:
    """Examples as the epilog of a command: each is a paragraph, as typer joins lines within one."""
    return "\n\n".join(["Examples:", *commands])
