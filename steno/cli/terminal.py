"""Prints all output of the command line, cleaned of control characters.

Most text (names, reasons, transcripts) comes from others, who could put control sequences of terminals (ECMA-48), Unicode's
bidirectional controls, lines that look like ours, or markup of `rich` into it. So each piece of a line is cleaned, and no text
is ever parsed as markup: styles are given by `styled`. A test checks that nothing else in `steno.cli` prints.
"""

import json
import os
import re
import sys
import traceback
from collections.abc import Iterable, Sequence
from io import TextIOWrapper
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.progress import Progress, ProgressColumn
from rich.table import Table
from rich.text import Text
from typer.rich_utils import rich_format_error

# The base of all that typer says about arguments, which it does not export.
_WRONG_USE: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")

_LINE_ENDS = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")
# C0, DEL and C1; marks, embeddings, overrides and isolates of direction (UAX #9); halves of surrogate pairs, which no terminal
# takes; what is not seen at all: interlinear annotations, tags, and the mark of byte order.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]")
_HALVES = re.compile("[\ud800-\udfff]")


INTERRUPTED = 130
"""The exit status of a command that Ctrl-C stopped before its end: 128 and the number of the signal, as shells count."""


def clean(text: object) -> str:
    """Removes control characters from a text, and replaces line ends by spaces."""
    return _HALVES.sub("\ufffd", _UNSEEN.sub("", _LINE_ENDS.sub(" ", str(text))))


def styled(style: str, value: object) -> Text:
    """A piece of a line, cleaned, in a style of `rich` (a colour, bold, dim)."""
    return Text(clean(value), style=style)


def line(*pieces: object) -> Text:
    """Joins pieces to a line; all but those from `styled` and `line` are cleaned."""
    made = Text()
    for piece in pieces:
        made.append_text(piece) if isinstance(piece, Text) else made.append(clean(piece))
    return made


class Terminal:
    """Standard output or standard error."""

    def __init__(self, *, stderr: bool = False) -> None:
        self.console = Console(stderr=stderr, highlight=False, soft_wrap=True, markup=False, emoji=False)

    def print_line(self, *pieces: object) -> None:
        """Prints a line; without pieces, an empty one."""
        self.console.print(line(*pieces))

    def print_error(self, message: object, *, who: str = "steno") -> None:
        """Prints an error. A message of several lines, such as the end of a log, keeps its lines, indented."""
        first, *more = str(message).splitlines() or [""]
        self.print_line(styled("red", f"{who}:"), " ", first)
        for text in more:
            self.print_line("  ", text)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Prints a table. Text that does not fit is wrapped, not cut: it may be an id that another command takes."""
        table = Table()
        for name in columns:
            table.add_column(line(name), overflow="fold")
        for row in rows:
            table.add_row(*map(line, row))
        self.console.print(table)

    def json(self, document: Any, *, indent: int | None = 2) -> None:
        """Prints a JSON document in ASCII, controls escaped (RFC 8259 §7), on one line without `indent`."""
        sys.stdout.write(json.dumps(document, indent=indent).replace("\x7f", "\\u007f") + "\n")
        sys.stdout.flush()

    def progress(self, *columns: ProgressColumn, transient: bool = False) -> Progress:
        """Progress bars, shown while they are entered."""
        return Progress(*columns, console=self.console, transient=transient)


out = Terminal()
notes = Terminal(stderr=True)


def bad_parameter(message: object) -> typer.BadParameter:
    """Makes the exception for an argument that is not valid."""
    return typer.BadParameter(clean(message))


def run(app: typer.Typer) -> NoReturn:
    """Runs the command line and ends the process. Errors about arguments are cleaned too, as they quote them.

    An unexpected error is printed with the place where it was raised, for a bug report.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that is not UTF-8 shows what it can
    try:
        status = app(standalone_mode=False)
    except typer.Abort:
        status = 1
    except _WRONG_USE as error:
        error.message = clean(error.message)
        rich_format_error(error)
        status = error.exit_code
    except BrokenPipeError:  # the reader of the output has gone, so the rest is discarded
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    except OSError as error:
        notes.print_error(error)
        status = 1
    except Exception as error:  # noqa: BLE001 - the end of the process either way
        for text in "".join(traceback.format_exception(error)).splitlines():
            notes.print_line(text)
        status = 1
    sys.exit(status)
