"""Recordings of a client with a key: decompression bombs, invalid files, unknown codecs, and slow servers."""

import asyncio
import json
import struct
from contextlib import suppress

import aiohttp
from aiohttp import web
from fuzz.targets.audio import recording
from support.attacks.attack import Attack, AttackRun

_TARPIT_SECONDS = 12
_TARPITS = 12


def wav(*, tag: int = 1, channels: int = 1, rate: int = 8000, bits: int = 16, data: bytes = bytes(200)) -> bytes:
    """Makes a WAVE file with any header values."""
    block = channels * bits // 8 % 65_536
    shape = struct.pack("<HHIIHH", tag, channels, rate, rate * block % 2**32, block, bits)
    content = b"WAVEfmt " + struct.pack("<I", len(shape)) + shape + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(content)) + content


def flac_of_one_hertz() -> bytes:
    """Makes 55 bytes that claim an hour and a half of audio at 1 Hz."""
    packed = 1 << 44 | 0 << 41 | 15 << 36 | 4096
    info = struct.pack(">HH", 4096, 4096) + bytes(6) + packed.to_bytes(8, "big") + bytes(16)
    return b"fLaC\x80\0\0\x22" + info + bytes.fromhex("fff8c9080000000000000000")[:13]


def _bombs() -> dict[str, bytes]:
    return {
        "unknown-codec.wav": wav(tag=0x1234),
        "rate-1.flac": flac_of_one_hertz(),
        "rate-1.wav": wav(rate=1, data=bytes(8000)),
        "rate-2g.wav": wav(rate=2_000_000_000, data=bytes(8000)),
        "channels-512.wav": wav(channels=512, data=bytes(512 * 2 * 400)),
        "empty.wav": wav(data=b""),
        "bits-64.wav": wav(bits=64, data=bytes(8000)),
        "playlist.m3u8": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
        "concat.txt": b"ffconcat version 1.0\nfile /etc/passwd\n",
    }


async def _upload(run: AttackRun, session: aiohttp.ClientSession, name: str, content: bytes) -> None:
    form = aiohttp.FormData()
    form.add_field("file", content, filename=name if name.isprintable() else "x", content_type="application/octet-stream")
    form.add_field("metadata", json.dumps({"call_id": run.name("upload")}), content_type="application/json")
    await run.ask(session, "POST", f"{run.target.ingest}/v1/recordings", data=form)


async def bombs(run: AttackRun) -> None:
    """Small files that claim much audio."""
    async with run.session() as session:
        for name, content in _bombs().items():
            await _upload(run, session, name, content)


async def mutated_files(run: AttackRun) -> None:
    """Real recordings with errors in their headers."""
    async with run.session() as session:
        for _ in range(8):
            name, content = recording(run.chance)
            await _upload(run, session, name, content)


async def unknown_codecs(run: AttackRun) -> None:
    """Many invalid recordings in a row."""
    async with run.session() as session:
        for _ in range(30):
            await _upload(run, session, "unknown.wav", wav(tag=run.chance.randrange(0x2000, 0x9000)))


async def tarpits(run: AttackRun) -> None:
    """URLs of servers that send a byte per second, or nothing, or headers without end."""

    async def trickle(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": "1000000", "Content-Type": "audio/wav"})
        await answer.prepare(request)
        with suppress(ConnectionError):
            for _ in range(_TARPIT_SECONDS):
                await answer.write(b"R")
                await asyncio.sleep(1)
        return answer

    async def silence(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(_TARPIT_SECONDS)
        return web.Response(status=503)

    async def around(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(f"/around?{run.chance.randrange(10**9)}")

    application = web.Application()
    application.add_routes([web.get("/trickle", trickle), web.get("/silence", silence), web.get("/around", around)])
    runner = web.AppRunner(application, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with run.session() as session:
            for number in range(_TARPITS):
                path = ("trickle", "silence", "trickle", "around")[number % 4]
                url = f"http://127.0.0.1:{runner.addresses[0][1]}/{path}?{number}"
                await run.ask(
                    session, "POST", f"{run.target.ingest}/v1/recordings", json={"url": url, "call_id": run.name("pit")}
                )
        await asyncio.sleep(_TARPIT_SECONDS)
    finally:
        await runner.cleanup()


ATTACKS = (
    Attack(name="audio bombs", by="key", attempt=bombs, pause_seconds=3.0),
    Attack(name="mutated files", by="key", attempt=mutated_files, pause_seconds=2.0),
    Attack(name="unknown codecs", by="key", attempt=unknown_codecs, pause_seconds=5.0),
    Attack(name="tarpits", by="key", attempt=tarpits, pause_seconds=1.0),
)
