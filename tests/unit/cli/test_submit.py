"""`steno submit`: what is wrong with one file concerns that one, and whatever happens, what was accepted is shown."""

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from steno.cli import api, submit
from steno.cli.__main__ import app
from steno.cli.api import Api, ApiError, IngestUnavailable


class Ingest:
    """Accepts recordings, until it is away; `asked` is how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.accepted: list[str] = []
        self.most = 1_000_000
        self.interrupted = False
        self.error: Exception = IngestUnavailable("http://ingest.example does not answer")

    async def answer(self, _api: Api, _method: str, _path: str, *, data: Any, headers: Any) -> Any:
        del headers
        self.asked += 1
        if len(self.accepted) >= self.most:
            if self.interrupted:
                # As a user does: a KeyboardInterrupt raised here would stay in a task that nobody asks for it.
                signal.raise_signal(signal.SIGINT)
                await asyncio.sleep(60)
            raise self.error
        name = next(part for part in data._fields if part[0]["name"] == "file")[0]["filename"]
        self.accepted.append(name)
        return {"recording_id": f"r{len(self.accepted)}", "state": "accepted", "call_id": name}


@pytest.fixture
def ingest(monkeypatch: pytest.MonkeyPatch) -> Ingest:
    made = Ingest()
    monkeypatch.setattr(Api, "_json", lambda client, *asked, **request: made.answer(client, *asked, **request))
    monkeypatch.setattr(api, "_PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr(submit, "_UPLOADS_AT_ONCE", 1)
    return made


def run(*arguments: str | Path) -> Result:
    place = ("--url", "http://ingest.example", "--key", "steno_key")
    return CliRunner().invoke(app, ["submit", *map(str, arguments), *place], env={"COLUMNS": "300"})


def shown(result: Result) -> dict[str, str]:
    """Of each file by its name: its recording, or why it has none."""
    return {Path(one["file"]).name: one.get("error") or one["recording_id"] for one in json.loads(result.stdout)}


def test_of_a_folder_recordings_are_taken_and_the_rest_is_told(ingest: Ingest, tmp_path: Path) -> None:
    """Those that the decoder reads by their suffix, in all folders below; metadata go along, partial files do not."""
    (tmp_path / "monday").mkdir()
    taken = ("a.wav", "b.SLN", "c.vox", "d.g729", "monday/e.amr", "monday/f.awb", "g.pcmu", "h.3gp", "i.WAV49")
    left = ("x.xml", "Thumbs.db", "monday/y.wav.part", ".hidden.wav", "lonely.json")
    for name in (*taken, *left, "a.json"):
        (tmp_path / name).write_text("{}")
    result = run(tmp_path, "--json")
    assert result.exit_code == 0, result.output
    assert sorted(ingest.accepted) == sorted(Path(name).name for name in taken)
    for name in left:
        assert Path(name).name in result.stderr
    assert "a.json" not in result.stderr


def test_of_much_that_is_left_a_little_is_named(ingest: Ingest, tmp_path: Path) -> None:
    """And the rest counted."""
    for number in range(30):
        (tmp_path / f"{number:02}.xml").touch()
    (tmp_path / "a.wav").write_bytes(b"audio")
    result = run(tmp_path)
    assert "09.xml and 20 more" in result.stderr
    assert ingest.accepted == ["a.wav"]


def test_what_is_no_file_is_refused_and_the_rest_goes_on(ingest: Ingest, tmp_path: Path) -> None:
    """Links that lead nowhere, pipes, folders, what is not there or cannot be read; by name or in a folder."""
    (tmp_path / "dangling.wav").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.wav").symlink_to(tmp_path / "loop.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "good.wav").write_bytes(b"audio")
    (tmp_path / "linked.wav").symlink_to(tmp_path / "good.wav")
    result = run(tmp_path, tmp_path / "missing.wav", tmp_path / "good.wav" / "x.wav", "x" * 300 + ".wav", "--json")
    assert result.exit_code == 1
    told = shown(result)
    assert {name for name, what in told.items() if what.startswith("r")} == {"good.wav", "linked.wav"}
    assert "leads nowhere" in told["dangling.wav"]
    assert "no such file" in told["missing.wav"]
    assert len(told) == 8


def test_names_of_any_bytes_are_submitted(ingest: Ingest, tmp_path: Path) -> None:
    """What is no text in them is replaced in what the file is called, and lines do not end in it."""
    names = [b"caf\xe9.wav", b"two\nlines.wav", b"\x1b[2J.wav", "größe.wav".encode(), b"a" * 251 + b".wav"]
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes(b"audio")
    result = run(tmp_path)
    assert result.exit_code == 0, result.output
    assert "caf\ufffd.wav" in ingest.accepted
    assert "two lines.wav" in ingest.accepted
    assert len(ingest.accepted) == len(names)
    assert result.stdout.count("accepted") == len(names)


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b"\xff", b"[" * 100_000, None], ids=["json", "list", "utf-8", "deep", "dangling"]
)
def test_metadata_that_cannot_be_read_refuse_their_recording(ingest: Ingest, tmp_path: Path, content: bytes | None) -> None:
    """Only theirs: it would be without its call id else."""
    (tmp_path / "a.wav").write_bytes(b"audio")
    (tmp_path / "b.wav").write_bytes(b"audio")
    if content is None:
        (tmp_path / "a.json").symlink_to(tmp_path / "nowhere")
    else:
        (tmp_path / "a.json").write_bytes(content)
    result = run(tmp_path, "--json")
    assert result.exit_code == 1
    assert "a.json" in shown(result)["a.wav"]
    assert ingest.accepted == ["b.wav"]


def test_a_connection_lost_in_the_middle_shows_what_was_accepted(ingest: Ingest, tmp_path: Path) -> None:
    """The others are refused, and not each waits until ingest is given up."""
    for number in range(5):
        (tmp_path / f"{number}.wav").write_bytes(b"audio")
    ingest.most = 2
    result = run(tmp_path, "--json")
    assert result.exit_code == 1
    told = shown(result)
    assert [told["0.wav"], told["1.wav"]] == ["r1", "r2"]
    assert {told[f"{number}.wav"] for number in (2, 3, 4)} == {"http://ingest.example does not answer"}
    assert result.exception is None or isinstance(result.exception, SystemExit)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C interrupts, also where the tests were started in the background by a shell, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_what_was_accepted_before_an_interruption_is_shown(ingest: Ingest, tmp_path: Path) -> None:
    """And that the others were not."""
    for number in range(3):
        (tmp_path / f"{number}.wav").write_bytes(b"audio")
    ingest.most, ingest.interrupted = 1, True
    result = run(tmp_path, "--json")
    assert result.exit_code != 0
    assert shown(result) == {"0.wav": "r1", "1.wav": "not submitted", "2.wav": "not submitted"}


@pytest.mark.parametrize("error", [ApiError("POST /v1/recordings: 400 it is empty"), RuntimeError("it is empty")])
def test_an_error_of_one_is_told_of_that_one(ingest: Ingest, tmp_path: Path, error: Exception) -> None:
    """In the words of ingest, or as a fault of ours; nobody is shown where it came up."""
    (tmp_path / "a.wav").write_bytes(b"audio")
    ingest.most, ingest.error = 0, error
    result = run(tmp_path)
    assert result.exit_code == 1
    assert "it is empty" in result.stdout
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("url", "key"), [("ingest.example", "k"), ("ftp://ingest.example", "k"), ("http://ingest.example", "k\ney")]
)
def test_a_wrong_place_is_said_in_one_line(tmp_path: Path, url: str, key: str) -> None:
    """No file is asked for."""
    (tmp_path / "a.wav").write_bytes(b"audio")
    result = CliRunner().invoke(app, ["submit", str(tmp_path / "a.wav"), "--url", url, "--key", key])
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff", b'{"services": 1}'])
def test_a_run_file_that_is_none_is_said_in_one_line(tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of one, or somebody else's."""
    monkeypatch.delenv("STENO_UP_URL", raising=False)
    (tmp_path / "run.json").write_bytes(content)
    result = CliRunner().invoke(app, ["ledger", "--data", str(tmp_path)])
    assert result.exit_code == 1
    assert result.stderr.startswith("steno: ")
    assert len(result.stderr.splitlines()) == 1
