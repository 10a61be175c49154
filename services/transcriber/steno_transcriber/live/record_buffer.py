"""Buffers records of a live call that come faster than they are transcribed on disk, so that no other call waits.

They are given back in their order, and what they hold is as it was. In memory there is a megabyte of them at most, and less
where many calls have some there (`buffer_budget`).
"""

import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import SpooledTemporaryFile, TemporaryFile
from typing import IO

from steno.errors import Permanent
from steno.events.records import RECORDS, AudioChunk, Record
from steno_transcriber.live.buffer_budget import BufferBudget

MOST_BYTES = 1 << 30
"""What may be buffered of one call: eighteen hours of two channels of G.711."""

_IN_MEMORY_BYTES = 1 << 20

_FRAME = struct.Struct("<qqBI")
"""Offset, when it was written (microseconds since 1970), whether it is audio, and the bytes that follow."""

_CHUNK = struct.Struct("<iq")
"""Sequence and position."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class TooFarAhead(Permanent):
    """Too much of a call waits for transcription; nothing more of it can be buffered."""

    error_class = "too_far_ahead"


@dataclass(frozen=True, slots=True, kw_only=True)
class BufferedRecord:
    """A buffered record."""

    offset: int
    written_at: datetime
    record: Record


class RecordBuffer:
    """The buffer of one call: a file, once it is more than a megabyte; first in, first out."""

    def __init__(
        self,
        call_id: str,
        folder: Path | None,
        *,
        most_bytes: int = MOST_BYTES,
        budget: BufferBudget | None = None,
        ahead: Callable[[], bool] = lambda: False,
        evicted: Callable[[TooFarAhead], None] = lambda _: None,
    ) -> None:
        """
        Args:
            folder: Where temporary files lie; None: where the system has them.
            budget: What it shares with other calls.
            ahead: Whether the call comes faster than it can have been spoken.
            evicted: Told where all of it was dropped to make room for other calls.
        """
        self._call_id = call_id
        self._folder = folder
        self._most_bytes = most_bytes
        self._budget = budget or BufferBudget()
        self._ahead = ahead
        self._evicted = evicted
        self._file: IO[bytes] | SpooledTemporaryFile[bytes] | None = None
        self._written = self._read = 0
        self._in_memory = False
        #: Of the first record that lies there; None where none does.
        self.first_offset: int | None = None

    def __bool__(self) -> bool:
        return self.first_offset is not None

    def put(self, buffered: BufferedRecord) -> None:
        """Buffers the next record. Raises `TooFarAhead` where there is no room."""
        record = buffered.record
        if isinstance(record, AudioChunk):
            content = _CHUNK.pack(record.sequence, record.position) + record.audio
        else:
            content = f"{type(record).__name__}\n{record.model_dump_json()}".encode()
        written_at = (buffered.written_at - _EPOCH) // _MICROSECOND
        frame = _FRAME.pack(buffered.offset, written_at, isinstance(record, AudioChunk), len(content)) + content
        if self._written + len(frame) > self._most_bytes or not self._budget.enter(self, len(frame)):
            raise self._too_far_ahead()
        self._written += len(frame)
        try:
            if self._file is None:
                self._file = self._opened()
            self._file.seek(self._written - len(frame))
            self._file.write(frame)
            self._file.flush()  # a full disk is found out here
        except OSError as error:
            raise TooFarAhead(f"the call came faster than it can be transcribed, and cannot be buffered: {error}") from error
        if self._written > _IN_MEMORY_BYTES:
            self._leave_memory()
        if self.first_offset is None:
            self.first_offset = buffered.offset

    def pop(self) -> BufferedRecord:
        """Removes and returns the first record; there must be one."""
        assert self._file is not None
        offset, written_at, is_audio, length = self._header()
        content = self._file.read(length)
        self._read += _FRAME.size + length
        if self._read == self._written:
            self.clear()
        else:
            self.first_offset = self._header()[0]
        record: Record
        if is_audio:
            sequence, position = _CHUNK.unpack_from(content)
            record = AudioChunk(call_id=self._call_id, sequence=sequence, position=position, audio=content[_CHUNK.size :])
        else:
            name, _, said = content.partition(b"\n")
            record = RECORDS[name.decode()].model_validate_json(said)
        return BufferedRecord(offset=offset, written_at=_EPOCH + written_at * _MICROSECOND, record=record)

    def clear(self) -> None:
        """Drops all records and closes the file."""
        if self._file is not None:
            with suppress(OSError):  # what no disk had room for is not needed either
                self._file.close()
        self._leave_memory()
        self._budget.leave(self)
        self._file, self._written, self._read, self.first_offset = None, 0, 0, None

    @property
    def size(self) -> int:
        """In bytes; what was taken counts until all was."""
        return self._written

    @property
    def ahead(self) -> bool:
        """Whether the call comes faster than it can have been spoken."""
        return self._ahead()

    def evict(self) -> None:
        """Drops all of it, for the sake of other calls."""
        error = self._too_far_ahead()
        self.clear()
        self._evicted(error)

    def _opened(self) -> "IO[bytes] | SpooledTemporaryFile[bytes]":
        """A new file, in memory at first where there is room; `clear` closes it."""
        folder = None if self._folder is None else str(self._folder)
        self._in_memory = self._budget.enter_memory(_IN_MEMORY_BYTES)
        if self._in_memory:
            return SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES, dir=folder)
        return TemporaryFile(dir=folder)

    def _leave_memory(self) -> None:
        if self._in_memory:
            self._in_memory = False
            self._budget.leave_memory(_IN_MEMORY_BYTES)

    def _too_far_ahead(self) -> TooFarAhead:
        return TooFarAhead(
            f"{self._written >> 20} MB of the call came faster than they can be transcribed, and wait; publish calls as "
            "they are spoken, or submit them as recordings"
        )

    def _header(self) -> tuple[int, int, bool, int]:
        assert self._file is not None
        self._file.seek(self._read)
        offset, written_at, is_audio, length = _FRAME.unpack(self._file.read(_FRAME.size))
        return offset, written_at, bool(is_audio), length
