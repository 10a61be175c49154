"""What runs in the process that decodes a recording, once it is confined: the file in, frames out."""

import importlib
import os
import pkgutil
import struct
from contextlib import suppress
from io import BytesIO
from typing import Any

import av

from steno_transcriber.audio import wire
from steno_transcriber.audio.decode import read_audio
from steno_transcriber.audio.errors import UnreadableAudio


def warm_up() -> None:
    """Imports what media of any kind may need, and decodes a little, for when nothing can be opened any more."""
    for module in pkgutil.walk_packages(av.__path__, "av."):
        if module.name not in ("av.__main__", "av.datasets"):
            importlib.import_module(module.name)
    samples = bytes(3200)
    made = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 0, b"WAVE", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16, b"data", len(samples))
    for content in (made + samples, samples):
        with suppress(UnreadableAudio), read_audio(BytesIO(content), name="warm-up.wav") as audio:
            for block in audio.blocks():
                wire.packed_block(audio.decoded_samples, block)


class File:
    """The file of a descriptor, read without a buffer. `open` would look at what it is, which is no longer allowed."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, size: int) -> bytes:
        """As of a file."""
        return os.read(self._descriptor, size)

    def seek(self, offset: int, whence: int = 0) -> int:
        """As of a file."""
        return os.lseek(self._descriptor, offset, whence)

    def tell(self) -> int:
        """As of a file."""
        return os.lseek(self._descriptor, 0, os.SEEK_CUR)


def decode(file: int, pipe: int, *, name: str, headerless: Any) -> None:
    """Writes what a recording holds, or why it holds nothing."""
    try:
        _decode(file, pipe, name=name, headerless=headerless)
    except UnreadableAudio as error:
        _write(pipe, wire.packed_refusal(str(error)))
    except MemoryError:
        _write(pipe, wire.packed_refusal(f"{name} takes more memory to decode than a recording of its size may"))
    except BrokenPipeError:
        pass  # nobody wants the rest
    except OSError as error:
        _write(pipe, wire.packed_unread(error.errno or 0))
    except Exception as error:
        _write(pipe, wire.packed_refusal(repr(error), wire.Kind.FAULT))
        raise


def _decode(file: int, pipe: int, *, name: str, headerless: Any) -> None:
    with read_audio(File(file), name=name, headerless=headerless) as audio:
        _write(pipe, wire.packed_format(audio.format))
        for block in audio.blocks():
            head, values = wire.packed_block(audio.decoded_samples, block)
            _write(pipe, head)
            _write(pipe, values)
        _write(pipe, wire.packed_end(audio.decoded_samples, audio.flaws))


def _write(pipe: int, data: "bytes | memoryview") -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(pipe, rest) :]
