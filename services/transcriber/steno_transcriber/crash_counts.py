"""Counts crashes while a recording is decoded, in the object store, so that the next worker finds the count.

Before a recording is decoded, its count of deaths is raised in the store; at the end of decoding it is deleted. A count that is
found means that a transcriber died meanwhile. Each recording that was being decoded then may be the cause and is a suspect: it
is decoded while no other suspect is, so that the next death shows which one it was. When the decoder process dies, the cause is
known at once. A decoder process that cannot be started counts for nothing.
"""

import json
from dataclasses import dataclass

from steno.errors import Permanent
from steno.storage.objects import ObjectMissing, ObjectStore
from steno_transcriber.result import plain_name

MOST_CRASHES = 2
"""Of its decoder, that a recording is tried again after but for the last."""

MOST_DEATHS = 3
"""Of the transcriber with it, of which all but the first happened while no other suspect was decoded."""


class DecodingGivenUp(Permanent):
    """A recording is not decoded again: its decoder or the transcriber died too often while decoding it."""

    error_class = "decoder_died"


@dataclass(frozen=True, slots=True)
class CrashCount:
    """How often the transcriber or the decoder died while a recording was decoded."""

    deaths: int = 0
    crashes: int = 0

    @property
    def suspect(self) -> bool:
        """Whether the recording is to be decoded while no other suspect is."""
        return self.deaths > 0

    def check(self) -> None:
        """Raises `DecodingGivenUp` where a limit is reached."""
        if self.crashes >= MOST_CRASHES:
            raise DecodingGivenUp(f"the recording ended its decoder {self.crashes} times; its media is damaged, or an attack")
        if self.deaths >= MOST_DEATHS:
            raise DecodingGivenUp(
                f"the transcriber died {self.deaths} times while it decoded the recording, the last times as the only suspect"
            )

    def after_death(self) -> "CrashCount":
        """The count after one more death of the transcriber."""
        return CrashCount(self.deaths + 1, self.crashes)

    def after_crash(self) -> "CrashCount":
        """The count after one more crash of the decoder."""
        return CrashCount(self.deaths, self.crashes + 1)


class CrashCounts:
    """The counts of all recordings, in the object store."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def read(self, recording_id: str) -> CrashCount:
        """Reads the count of a recording.

        Raises:
            StoreUnavailable: try again later.
        """
        try:
            mark = json.loads(await self._store.get(f"{self._store.url}/{_key(recording_id)}"))
            return CrashCount(int(mark["deaths"]), int(mark["crashes"]))
        except ObjectMissing:
            return CrashCount()
        except (ValueError, KeyError, TypeError):
            return CrashCount(deaths=1)  # whoever wrote it died of it

    async def write(self, recording_id: str, past: CrashCount) -> None:
        """Writes the count of a recording, or deletes it where it is zero. Raises like `read`."""
        if past == CrashCount():
            await self._store.delete(f"{self._store.url}/{_key(recording_id)}")
        else:
            content = json.dumps({"deaths": past.deaths, "crashes": past.crashes}).encode()
            await self._store.put(_key(recording_id), content)


def _key(recording_id: str) -> str:
    return f"decoding/{plain_name(recording_id)}.json"
