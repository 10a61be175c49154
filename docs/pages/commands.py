"""`commands.md`: every command of `steno`, with its options and examples, from the command line itself."""

from collections.abc import Iterator
from typing import Any

import typer
from pages.markdown import NOTE, code, table

from steno.cli.__main__ import whole_app

_INTRODUCTION = """# Commands

`steno COMMAND --help` says the same. `steno --install-completion` makes bash, zsh or fish (that of the terminal it runs in)
complete commands, options, topics, error classes and states, from the next shell on.

Tables are for people. Scripts take `--json`, which is all that goes to standard output; progress and errors go to standard
error. Exit statuses: 0 it was done; 1 it was not, or something was found that needs a person (each command says what);
2 an argument is not valid; 130 Ctrl-C stopped it before its end.

Commands about calls and recordings ask ingest: that of `--url` and `--key`, else the suite of `--data`. Commands about topics
ask Kafka: that of `KAFKA_BOOTSTRAP_SERVERS` and the other [settings](settings.md), else that of the suite of `--data`.

"""


def page() -> str:
    """The whole page."""
    root = typer.main.get_command(whole_app())
    return NOTE + _INTRODUCTION + "".join(_commands(root, "steno"))


def _commands(command: Any, name: str) -> Iterator[str]:
    for part, below in sorted(getattr(command, "commands", {}).items()):
        yield from _commands(below, f"{name} {part}")
    if not hasattr(command, "commands"):
        yield _section(command, name)


def _section(command: Any, name: str) -> str:
    arguments = [f" {_name(entry)}" for entry in command.params if entry.param_type_name == "argument"]
    usage = f"{name}{' [OPTIONS]' if len(arguments) < len(command.params) else ''}{''.join(arguments)}"
    parts = [f"## {name}\n\n`{usage}`\n\n{command.help}\n\n"]
    if command.params:
        rows = ([code(_name(entry)), entry.help or "", _default(entry), _variable(entry)] for entry in command.params)
        parts.append(table(["Argument", "What", "Default", "Variable"], rows))
    examples = [line for line in (command.epilog or "").split("\n\n")[1:] if line]
    return "".join(parts) + ("```sh\n" + "\n".join(examples) + "\n```\n\n" if examples else "")


def _name(entry: Any) -> str:
    if entry.param_type_name == "argument":
        name = entry.metavar or entry.name.upper()
        return f"{name if entry.required else f'[{name}]'}{'...' if entry.nargs == -1 else ''}"
    names = ", ".join([*entry.opts, *entry.secondary_opts])
    return names if entry.is_flag else f"{names} {entry.metavar or entry.opts[0].removeprefix('--').upper()}"


def _default(entry: Any) -> str:
    return "" if entry.default in (None, False) or entry.is_eager else code(str(entry.default))


def _variable(entry: Any) -> str:
    names = [entry.envvar] if isinstance(entry.envvar, str) else entry.envvar or []
    return ", ".join(map(code, names))
