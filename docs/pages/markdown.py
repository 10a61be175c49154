"""Markdown, as far as the pages need it."""

import json
from collections.abc import Iterable, Sequence

NOTE = "<!-- Made from the code by `make docs`; do not edit. -->\n\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells may hold Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(_cell(cell) for cell in line) + " |\n" for line in lines) + "\n"


def code(value: object) -> str:
    """A value as code: text as it is, anything else (and empty text) as JSON."""
    return f"`{value if value and isinstance(value, str) else json.dumps(value)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
