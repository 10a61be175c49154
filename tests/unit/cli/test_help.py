"""The help of the commands."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from steno.cli.__main__ import whole_app

#: Commands that list or show something, and the only ones that need not print JSON: they change something, and say so.
WITHOUT_JSON = {"up", "keys add", "keys revoke", "topics create", "models pull", "models verify", "azure check"}


def commands(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """All commands by name."""
    for part, below in getattr(command, "commands", {}).items():
        yield from commands(below, f"{name} {part}".strip())
    if not hasattr(command, "commands"):
        yield name, command


COMMANDS = dict(commands(typer.main.get_command(whole_app())))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_examples_that_are_right(name: str) -> None:
    """Each calls this command, with options that it has."""
    command = COMMANDS[name]
    title, *examples = command.epilog.split("\n\n")
    assert title == "Examples:"
    assert examples
    options = {option for entry in command.params for option in (*entry.opts, *entry.secondary_opts)}
    for example in examples:
        # Settings may stand before the command.
        words = [word for word in shlex.split(example) if not re.match(r"[A-Z_]+=", word)]
        assert words[: 1 + len(name.split())] == ["steno", *name.split()]
        assert {word for word in words if word.startswith("--")} <= options, example


def test_what_shows_something_shows_it_to_scripts() -> None:
    """By `--json`, on every command but those that only do something."""
    without = {name for name, command in COMMANDS.items() if all("--json" not in entry.opts for entry in command.params)}
    assert without - {name for name in without if name.endswith(" migrate")} == WITHOUT_JSON
