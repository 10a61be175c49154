"""Counts crashes while a recording is decoded, in the object store, so that the next worker finds the count.

Before a recording is decoded, a mark says that it is; at its end the mark goes. A mark that is found is that of a transcriber
that died meanwhile. Of what was being decoded then one may be the cause, and all are under suspicion: such a recording is
decoded while no other suspect is, so that the next death tells which it was. A decoder that dies
tells at once. One that the machine cannot begin tells nothing.
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
    """A recording cannot be decoded: its decoder or the transcriber died of it, or so it seems, too often."""

    error_class = "decoder_died"


@dataclass(frozen=True, slots=True)
class Past:
    """What became of earlier attempts at a recording."""

    deaths: int = 0
    crashes: int = 0

    @property
    def suspect(self) -> bool:
        """Whether it is to be decoded while no other suspect is."""
        return self.deaths > 0

    def check(self) -> None:
        """Raises `DecodingGivenUp` where there were enough."""
        if self.crashes >= MOST_CRASHES:
            raise DecodingGivenUp(f"the recording ended its decoder {self.crashes} times; its media is damaged, or an attack")
        if self.deaths >= MOST_DEATHS:
            raise DecodingGivenUp(
                f"the transcriber died {self.deaths} times while it decoded the recording, the last times as the only suspect"
            )

    def begun(self) -> "Past":
        """As it is to be found if this process dies now."""
        return Past(self.deaths + 1, self.crashes)

    def crashed(self) -> "Past":
        """As it is once its decoder has died."""
        return Past(self.deaths, self.crashes + 1)


class Attempts:
    """The marks."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def past(self, recording_id: str) -> Past:
        """What became of earlier attempts.

        Raises:
            StoreUnavailable: try again later.
        """
        try:
            mark = json.loads(await self._store.get(f"{self._store.url}/{_key(recording_id)}"))
            return Past(int(mark["deaths"]), int(mark["crashes"]))
        except ObjectMissing:
            return Past()
        except (ValueError, KeyError, TypeError):
            return Past(deaths=1)  # whoever wrote it died of it

    async def keep(self, recording_id: str, past: Past) -> None:
        """Writes what is to be found; nothing where there is nothing to say. Raises like `past`."""
        if past == Past():
            await self._store.delete(f"{self._store.url}/{_key(recording_id)}")
        else:
            content = json.dumps({"deaths": past.deaths, "crashes": past.crashes}).encode()
            await self._store.put(_key(recording_id), content)


def _key(recording_id: str) -> str:
    return f"decoding/{plain_name(recording_id)}.json"
