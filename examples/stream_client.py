"""Plays a WAV file (16 bit, 8 or 16 kHz) as a live call, and prints its captions.

    STENO_URL=http://127.0.0.1:8080 STENO_API_KEY=… python stream_client.py call.wav

It gives up when it loses its connection; `docs/protocols/stream.md` says how to go on instead.
"""

import asyncio
import json
import os
import sys
import uuid
import wave

import aiohttp

FRAME_SECONDS = 0.02


async def speak(socket: aiohttp.ClientWebSocketResponse, recording: wave.Wave_read) -> None:
    """Sends the audio as fast as it was spoken, then hangs up."""
    while frame := recording.readframes(int(recording.getframerate() * FRAME_SECONDS)):
        await socket.send_bytes(frame)
        await asyncio.sleep(FRAME_SECONDS)
    await socket.send_str(json.dumps({"type": "end"}))


async def main(path: str) -> None:
    """One call, from its start to its last caption."""
    url, headers = f"{os.environ['STENO_URL']}/v1/stream", {"Authorization": f"Bearer {os.environ['STENO_API_KEY']}"}
    with wave.open(path) as recording:
        start = {
            "type": "start",
            "call_id": str(uuid.uuid4()),
            "codec": "S16LE",
            "sample_rate": recording.getframerate(),
            "channels": [{}] * recording.getnchannels(),
        }
        async with aiohttp.ClientSession(headers=headers) as session, session.ws_connect(url) as socket:
            await socket.send_str(json.dumps(start))
            speaking: asyncio.Task[None] | None = None
            async for frame in socket:
                message = json.loads(frame.data)
                if message["type"] == "started":
                    speaking = asyncio.create_task(speak(socket, recording))
                elif message["type"] == "phrase":
                    print(f"{message['start_ms'] / 1000:7.1f} s  channel {message['channel']}: {message['text']}", flush=True)
                elif message["type"] == "error":
                    sys.exit(f"{message['code']}: {message['message']}")
            if speaking is None or not speaking.done():
                sys.exit(f"the connection was closed with {socket.close_code} before the call was over")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
