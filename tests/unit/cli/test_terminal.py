"""What somebody else wrote does nothing to the terminal, whichever command prints it."""

import ast
import io
import json
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from steno_transcriber.azure import commands as azure
from steno_transcriber.models import commands as models
from typer.testing import CliRunner

import steno.cli
from steno.cli import terminal, up
from steno.cli.__main__ import app
from steno.cli.api import Api, ApiError
from steno.cli.clients.captions import CaptionView
from steno.cli.demo import _print_call, _SampleCall
from steno.cli.terminal import clean, line, styled
from steno.cli.webhook_receiver import ReceivedEvent
from steno.events.records import Insight

EVIL = (
    "\x1b]0;owned\x07\x1b[2J\x1b[31m[/x][bold]\x9b31m\x90q\x9c\u202eback\u2066\u200f\u061c\r\nsteno: all is well\x0b\x0c\x85"
    "\u2028\u2029\x08\x7f\ud800\ufeff\U000e0041:warning: [/]\\[red]\\"
)
SEEN = "]0;owned[2J[31m[/x][bold]31mqback steno: all is well \ufffd:warning: [/]\\[red]\\"


def harmless(text: str) -> bool:
    """Whether a terminal shows the text and does nothing else."""
    return not any(
        unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(char) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
        for char in text.replace("\n", "")
    )


@given(st.text(st.characters()))
def test_whatever_is_cleaned_is_harmless_and_clean(text: str) -> None:
    """Of any characters there are; and once is enough."""
    assert harmless(clean(text))
    assert "\n" not in clean(text)
    assert clean(clean(text)) == clean(text)


def test_what_is_text_stays(capsys: pytest.CaptureFixture[str]) -> None:
    """Letters of every script, joiners, and what only looks like markup or an emoji's name."""
    told = "電話 «ü» مرحبا न\u200dम \u200c👩\u200d👩 [bold]no[/bold] :smile: 100% \\[x]"
    terminal.Terminal().print_line(told)
    assert capsys.readouterr().out == told + "\n"
    assert clean("a\tb\r\n\r\nc") == "a b c"
    assert clean(EVIL) == SEEN


def test_a_line_is_styled_by_what_prints_it_alone() -> None:
    """A value that begins a tag and one that ends it are no tag; a style ends where its piece does."""
    file = io.StringIO()
    Console(file=file, force_terminal=True, color_system="standard", highlight=False, soft_wrap=True).print(
        line("[", "red]", styled("bold", "[/bold]"), EVIL)
    )
    assert file.getvalue() == f"[red]\x1b[1m[/bold]\x1b[0m{SEEN}\n"


def test_an_error_of_several_lines_cannot_be_taken_for_others(capsys: pytest.CaptureFixture[str]) -> None:
    """Further lines, the end of a log say, are indented."""
    terminal.Terminal().print_error(f"it ended:\n{EVIL}\nsteno: fine")
    first, *more = capsys.readouterr().out.splitlines()
    assert first == "steno: it ended:"
    assert all(text.startswith("  ") for text in more)


class Server:
    """Answers every request of the command line with what somebody else wrote."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}

    async def answer(self, _api: Api, _method: str, path: str, **_request: Any) -> Any:
        for part, answer in self.answers.items():
            if path.partition("?")[0].endswith(part):
                if isinstance(answer, Exception):
                    raise answer
                return answer
        raise AssertionError(path)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server whose every word is evil."""
    made = Server()
    phrase = {"start_ms": 0, "role": EVIL, "channel": 0, "text": EVIL}
    recording = {"call_id": EVIL, "recording_id": EVIL, "state": "completed", "reason": EVIL}
    call = {
        "call_id": EVIL,
        "started_at": EVIL,
        "door": EVIL,
        "state": EVIL,
        "heard_ms": 1,
        "paused": False,
        "ended_at": None,
        "channels": [{"participant": EVIL, "role": EVIL}],
    }
    made.answers = {
        "/transcript": {"phrases": [phrase, phrase | {"role": "unknown", "channel": EVIL}]},
        "/ledger": {EVIL: EVIL, "balanced": True, "calls": {EVIL: EVIL}},
        "/calls": {"items": [call]},
        "/recordings": recording,
        "/r1": recording,
        "/r2": ApiError(EVIL),
    }
    monkeypatch.setattr(Api, "_json", lambda api, *asked, **request: made.answer(api, *asked, **request))
    monkeypatch.setenv("STENO_UP_URL", "http://ingest.example")
    return made


@pytest.mark.parametrize("command", [["show", "r1"], ["show", "r2"], ["ledger"], ["calls"], ["submit", "EVIL.wav"]])
def test_every_command_prints_harmless_text(server: Server, command: list[str], tmp_path: Path) -> None:
    """Whatever the server answers, and whatever a file is called."""
    del server
    evil_file = tmp_path / (EVIL.replace("/", "|").replace("\ud800", "") + ".wav")
    evil_file.write_bytes(b"")
    result = CliRunner().invoke(app, [word if word != "EVIL.wav" else str(evil_file) for word in command])
    assert result.exit_code == (1 if "r2" in command else 0), result.output
    assert harmless(result.output)


@pytest.mark.parametrize("command", [["show", "r1"], ["ledger"], ["calls"]])
def test_json_keeps_every_word_and_prints_ascii(server: Server, command: list[str]) -> None:
    """A script gets what was there, a terminal nothing but letters."""
    del server
    result = CliRunner().invoke(app, [*command, "--json"])
    assert result.exit_code == 0
    assert result.output.isascii()
    assert harmless(result.output)
    assert EVIL in _texts(json.loads(result.output))


def _texts(document: Any) -> list[str]:
    if isinstance(document, dict):
        return [text for pair in document.items() for entry in pair for text in _texts(entry)]
    return [text for entry in document for text in _texts(entry)] if isinstance(document, list) else [str(document)]


@pytest.mark.parametrize("kind", ["phrase", "hypothesis"])
def test_captions_are_harmless(kind: str) -> None:
    """On a terminal, whose own sequences stay, and named by a call's id."""
    written = []
    for text in ("text", EVIL):
        console = Console(file=io.StringIO(), force_terminal=True, width=1000, color_system=None)
        with CaptionView(console, named=True) as view:
            view.show(
                {"type": kind, "call_id": text, "phrase_id": "p", "channel": 0, "role": text, "start_ms": 0, "text": text}
                | {"stable_text": text[:3]}
            )
        written.append(console.file.getvalue())  # type: ignore[attr-defined]
    assert written[1].count("\x1b") == written[0].count("\x1b")
    assert harmless(written[1].replace("\x1b", "").replace("\r", ""))


def test_the_demo_prints_harmless_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Key phrases, roles and file names of a call that came back."""
    insight = Insight(
        insight_id="i",
        phrase_id="p",
        call_id="c",
        recording_id="r",
        channel=0,
        start_ms=0,
        key_phrases=(EVIL,),
        sentiment=-1.0,
        sequence=0,
    )
    speaker = {"role": EVIL, "talk_ms": 1, "phrase_count": 1, "sentiment": 0.1, "sentiment_trend": 0.1}
    summary = {"speakers": [speaker], "silence_ms": 0, "overlap_ms": 0, "key_phrases": [EVIL]}
    _print_call(
        _SampleCall(
            file=Path(EVIL.replace("\ud800", "")),
            submitted_at=0,
            insights={0: insight},
            transcript={"phrases": [{"start_ms": 0, "role": EVIL, "channel": 0, "text": EVIL}]},
            summary=ReceivedEvent(type="call.summarised", data=summary, received_at=0),
        )
    )
    written = capsys.readouterr().out
    assert harmless(written)
    assert written.count("owned") == 5


def test_what_the_supervisor_logs_is_harmless() -> None:
    """Its log goes to the terminal of `steno up`."""
    assert up._cleaned(None, "warning", {"event": EVIL, "status": 1}) == {"event": SEEN, "status": 1}


def test_an_error_nobody_expected_is_harmless(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It is shown with where it came up, and without what is in variables."""
    broken = typer.Typer(pretty_exceptions_enable=False)

    @broken.command()
    def fail() -> None:
        secret = "steno_" + "key"
        raise ValueError(EVIL + str(len(secret)))

    monkeypatch.setattr(sys, "argv", ["steno"])
    with pytest.raises(SystemExit) as ended:
        terminal.run(broken)
    written = capsys.readouterr().err
    assert ended.value.code == 1
    assert harmless(written)
    assert "in fail" in written
    assert "steno_key" not in written


def test_a_wrong_argument_is_harmless(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A file's name may come from a pattern of the shell."""
    monkeypatch.setattr(sys, "argv", ["steno", "submit", f"--{EVIL}".replace("\ud800", "")])
    with pytest.raises(SystemExit) as ended:
        terminal.run(app)
    assert ended.value.code == 2
    assert harmless(capsys.readouterr().err)


_PRINTING = ("print", "echo", "secho", "from_markup", "render", "Text", "Table", "Console", "Progress", "BadParameter", "rule")
_ALLOWED = {("captions.py", "self._console.print")}


@pytest.mark.parametrize(
    "path",
    [*sorted(Path(steno.cli.__file__).parent.rglob("*.py")), Path(models.__file__), Path(azure.__file__)],
    ids=lambda path: path.stem,
)
def test_nothing_else_prints(path: Path) -> None:
    """Of the command line, one module writes to the terminal; the others hand it pieces."""
    if path.name == "terminal.py":
        return
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if (path.name, called) in _ALLOWED:
                assert ast.unparse(node.args[0]).startswith("line("), "captions print on a console what `line` made"
                continue
            assert called.rpartition(".")[2] not in _PRINTING, f"{path.name}:{node.lineno} prints by {called}"
            assert not called.startswith("sys.std"), f"{path.name}:{node.lineno} prints by {called}"
