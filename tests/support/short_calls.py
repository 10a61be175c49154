"""Plays many short calls at once, in a separate process: `python -m support.short_calls FOLDER COUNT SPEED`.

It fails where one of them was not taken whole.
"""

import asyncio
import sys
from pathlib import Path

from support.suite import SAMPLES

from steno.cli import api
from steno.cli.clients.audio import open_call_audio, paced
from steno.cli.clients.stream import CallDescription, StreamClient, StreamPlayer

FRAME_MS = 100


async def _play(place: api.ApiAddress, call_id: str, sample: Path, speed: float) -> bool:
    audio = open_call_audio(sample)
    client = StreamClient(CallDescription(call_id=call_id, roles=["agent", "customer"]), audio)
    caller = StreamPlayer(client, url=f"{place.url}/v1/stream", key=place.key, on_message=lambda _: None, patience_seconds=300)
    await caller.play(paced(audio.frames(FRAME_MS), seconds=FRAME_MS / 1000, speed=speed))
    return client.complete


async def _main(data: Path, count: int, speed: float) -> None:
    place = api.find_api(data)
    playing = (_play(place, f"short-{number}", SAMPLES[number % len(SAMPLES)], speed) for number in range(count))
    assert all(await asyncio.gather(*playing))


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
