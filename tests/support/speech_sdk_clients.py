"""Runs the real clients of Azure's Speech SDK (`support/speech_sdk`) against Steno, and reads what they were told."""

import asyncio
import json
import shutil
import sys
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from steno.events.records import AudioCodec
from steno.g711 import LINEAR_VALUES

FOLDER = Path(__file__).parent / "speech_sdk"
_NATIVE = FOLDER / "native_client.py"
_SECONDS = 120

UNTHROTTLED = {"SPEECH-TransmitLengthBeforThrottleMs": "600000"}
"""The property (it is spelt so) by which the native SDK sends as fast as it can."""

Event = Mapping[str, Any]


async def run_native(**given: Any) -> list[Event]:
    """Runs the SDK for Python to its end, and returns its events."""
    return await _run(sys.executable, str(_NATIVE), json.dumps(given), folder=FOLDER)


async def install_javascript(folder: Path) -> Path:
    """Installs the SDK for JavaScript into a folder, and returns where its client is."""
    client = Path(shutil.copytree(FOLDER, folder / "client", ignore=shutil.ignore_patterns("node_modules", "__pycache__")))
    process = await asyncio.create_subprocess_exec("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=client)
    assert await process.wait() == 0
    return client


async def run_javascript(client: Path, **given: Any) -> list[Event]:
    """Runs the SDK for JavaScript to its end, and returns its events."""
    return await _run("node", "client.mjs", json.dumps(given), folder=client)


async def run_program(*command: str, folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """Runs a program to its end, and returns what it prints; a failure shows what it said."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), _SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, f"{command[0]} ended with {process.returncode}: {out.decode()}{err.decode()}"
    return out.decode()


async def _run(*command: str, folder: Path) -> list[Event]:
    out = await run_program(*command, folder=folder)
    return [json.loads(line) for line in out.splitlines() if line.startswith("{")]


def named(events: Sequence[Event], name: str) -> list[Event]:
    """The events of a kind."""
    return [event for event in events if event["event"] == name]


def phrases(events: Sequence[Event]) -> list[tuple[int, int, str]]:
    """Offset, duration and text of each phrase, by offset."""
    return sorted(
        (event["offset_ms"], event["duration_ms"], event["text"])
        for event in named(events, "recognized")
        if event["reason"] in ("RecognizedSpeech", "RecognizedSpeaker")
    )


def session(events: Sequence[Event]) -> str:
    """The id of the session, which is that of its call."""
    return str(named(events, "session")[0]["id"])


def raw_audio(file: Path, into: Path) -> tuple[Path, dict[str, Any]]:
    """Writes the samples of a mu-law or linear WAV file without a header; returns where they are, and their format."""
    content = file.read_bytes()
    at = content.index(b"data") + 8
    into.write_bytes(content[at:])
    tag, channels, rate = content[20], content[22], int.from_bytes(content[24:28], "little")
    form: dict[str, Any] = {"samples_per_second": rate, "channels": channels, "bits_per_sample": 8 if tag == 7 else 16}
    if tag == 7:
        form["wave"] = "MULAW"
    return into, form


def linear_beginning(file: Path, into: Path, *, seconds: int) -> Path:
    """Writes the beginning of a mu-law WAV file as linear audio, the only one that the SDK for JavaScript reads of files."""
    content = file.read_bytes()
    channels, rate = content[22], int.from_bytes(content[24:28], "little")
    begin = content.index(b"data") + 8
    samples = np.array(LINEAR_VALUES[AudioCodec.PCMU], "<i2")[
        np.frombuffer(content[begin : begin + seconds * rate * channels], np.uint8)
    ]
    return write_wav(into, samples.tobytes(), rate=rate, channels=channels)


def write_wav(file: Path, samples: bytes, *, rate: int, channels: int = 1) -> Path:
    """Writes linear 16-bit audio."""
    with wave.open(str(file), "wb") as written:
        written.setnchannels(channels)
        written.setsampwidth(2)
        written.setframerate(rate)
        written.writeframes(samples)
    return file
