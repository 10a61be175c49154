"""Captions on a terminal: phrases as lines, hypotheses in place, each once."""

import io
from typing import Any

import pytest
from rich.console import Console

from steno.cli.clients.captions import CaptionView, ServerSentEvents


def caption(kind: str, text: str, *, phrase_id: str = "p1", **more: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "call_id": "call-1",
        "phrase_id": phrase_id,
        "channel": 0,
        "role": "agent",
        "start_ms": 61_500,
        "text": text,
    } | more


def shown(*captions: dict[str, Any], terminal: bool = False, named: bool = False) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100, color_system=None, highlight=False)
    with CaptionView(console, named=named) as view:
        for entry in captions:
            view.show(entry)
    written: str = console.file.getvalue()  # type: ignore[attr-defined]
    return written


def test_a_phrase_is_a_line_with_its_time_and_role() -> None:
    """Time, speaker, words; markup in what was said is not markup."""
    assert shown(caption("phrase", "one [bold]moment[/bold]")) == "  01:01.5     agent  one [bold]moment[/bold]\n"


def test_a_file_gets_phrases_only() -> None:
    """Where nothing can be replaced, hypotheses are left out, and a phrase that comes again stands once."""
    written = shown(caption("hypothesis", "one mom"), caption("phrase", "one moment"), caption("phrase", "one moment"))
    assert written.count("one mom") == 1


def test_a_terminal_shows_what_is_being_said() -> None:
    """A hypothesis is shown at once, and is gone when its phrase is there; a late one is not shown."""
    assert "one mom" in shown(caption("hypothesis", "one mom", stable_text="one"), terminal=True)
    written = shown(caption("phrase", "done"), caption("hypothesis", "one mom"), terminal=True)
    assert "one mom" not in written


def test_several_calls_are_told_apart() -> None:
    """With more than one call, each line begins with its call's id."""
    assert shown(caption("phrase", "hello"), named=True).startswith("call-1  01:01.5")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_server_sent_events_are_read(end: str) -> None:
    """Names, data over several lines, ids that stay, comments that say nothing."""
    events = ServerSentEvents()
    lines = [
        ": hello",
        "",
        "event: phrase",
        "id: 7",
        'data: {"a":',
        "data: 1}",
        "",
        "data:x",
        "",
        "event: end",
        "",
        "retry: 5",
        "",
    ]
    found = [event for line in lines for event in events.add_line(line + end)]
    assert found == [("phrase", '{"a":\n1}', "7"), ("message", "x", "7")]
