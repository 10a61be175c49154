"""The code of a decoder process after it is confined: reads a file, and writes frames of audio to a pipe."""

import importlib
import os
import pkgutil
import struct
from contextlib import suppress
from io import BytesIO
from typing import Any

import av

from steno_transcriber.audio import wire_format
from steno_transcriber.audio.decode import read_audio
from steno_transcriber.audio.errors import UnreadableAudio


def warm_up() -> None:
    """Imports everything that decoding may need, and decodes a little, because later no file can be opened."""
    for module in pkgutil.walk_packages(av.__path__, "av."):
        if module.name not in ("av.__main__", "av.datasets"):
            importlib.import_module(module.name)
    samples = bytes(3200)
    made = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 0, b"WAVE", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16, b"data", len(samples))
    for content in (made + samples, samples):
        with suppress(UnreadableAudio), read_audio(BytesIO(content), name="warm-up.wav") as audio:
            for block in audio.blocks():
                wire_format.pack_block(audio.decoded_samples, block)


class File:
    """A file by its descriptor, read without a buffer. `open` would make system calls that are no longer allowed."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, size: int) -> bytes:
        """Like the method of a file."""
        return os.read(self._descriptor, size)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Like the method of a file."""
        return os.lseek(self._descriptor, offset, whence)

    def tell(self) -> int:
        """Like the method of a file."""
        return os.lseek(self._descriptor, 0, os.SEEK_CUR)


def decode(file: int, pipe: int, *, name: str, headerless: Any) -> None:
    """Decodes a recording, and writes its audio or the reason of a failure."""
    try:
        _decode(file, pipe, name=name, headerless=headerless)
    except UnreadableAudio as error:
        _write(pipe, wire_format.pack_refusal(str(error)))
    except MemoryError:
        _write(pipe, wire_format.pack_refusal(f"{name} takes more memory to decode than a recording of its size may"))
    except BrokenPipeError:
        pass  # nobody wants the rest
    except OSError as error:
        _write(pipe, wire_format.pack_unread(error.errno or 0))
    except Exception as error:
        _write(pipe, wire_format.pack_refusal(repr(error), wire_format.Kind.FAULT))
        raise


def _decode(file: int, pipe: int, *, name: str, headerless: Any) -> None:
    with read_audio(File(file), name=name, headerless=headerless) as audio:
        _write(pipe, wire_format.pack_format(audio.format))
        for block in audio.blocks():
            head, values = wire_format.pack_block(audio.decoded_samples, block)
            _write(pipe, head)
            _write(pipe, values)
        _write(pipe, wire_format.pack_end(audio.decoded_samples, audio.flaws))


def _write(pipe: int, data: "bytes | memoryview") -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(pipe, rest) :]
