"""Tells a door what becomes of its call: how far it is on the log, what is understood of it, and what is to be played."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from steno.events.records import Hypothesis, Phrase
from steno_ingest.calls.doors.actions import Action, ResumePoint
from steno_ingest.calls.doors.port import Door
from steno_ingest.calls.hosting.caption_feed import CaptionFeed, Captions, SaidBefore
from steno_ingest.calls.hosting.caption_progress import CaptionProgress
from steno_ingest.calls.hosting.hosted_call import HostedCall
from steno_ingest.calls.hosting.playback import CannotPlay, Playback


class CarryOut(Protocol):
    """Carries out what a door says."""

    def __call__(self, actions: Sequence[Action], *, droppable: bool = False) -> None: ...


class CallFeed:
    """What one door is told of its call, from its acceptance to the end of its connection."""

    def __init__(
        self,
        door: Door,
        call: HostedCall,
        captions: Captions,
        said_before: SaidBefore,
        *,
        begins: bool,
        phrases: int,
        carry_out: CarryOut,
        room: Callable[[], Awaitable[None]],
        now: Callable[[], float],
    ) -> None:
        """
        Args:
            begins: The call begins with this connection.
            phrases: How many phrases its peer has of the call.
            carry_out: Carries out what the door says.
            room: Returns when the peer has read most of what it was told.
            now: Seconds of a monotonic clock.
        """
        self._door = door
        self._call = call
        self._captions = captions
        self._said_before = said_before
        self._begins = begins
        self._carry_out = carry_out
        self._room = room
        self._now = now
        self._caption_progress = CaptionProgress(phrases)
        self._acknowledged: ResumePoint | None = None
        self._settled = False
        self._playback = None if door.player is None else Playback(door.player, call.session.format)

    async def listen(self) -> None:
        """Tells captions until they end, which they do with this process."""
        await CaptionFeed(
            self._call.call_id,
            self._captions,
            self._said_before,
            self._caption_progress,
            tenant=self._call.tenant,
            begins=self._begins,
            tell=self._add_caption,
            room=self._room,
            now=self._now,
        ).run()

    def tick(self, now: float) -> None:
        """Tells how far the call is on the log, that its captions are complete, and what is to be played now."""
        call = self._call
        if (safe := call.safe) is not None and safe != self._acknowledged:
            self._acknowledged = safe
            self._carry_out(self._door.acknowledge(sequence=safe.sequence, position=safe.position))
        if call.settled and not self._settled:
            self._settled = True
            self._carry_out(self._door.settle(now=now))
        if (phrase_count := self._caption_progress.due(now)) is not None:
            self._carry_out(self._door.end_captions(phrase_count=phrase_count, now=now))
        if self._playback is not None:
            self._carry_out(self._playback.tick(now))

    async def play(self, audio: bytes) -> bool:
        """Plays audio as `CallDriver.play` says."""
        if self._playback is None:
            raise CannotPlay(f"the protocol {self._door.name} takes no audio for its peers")
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def note(played: bool) -> None:
            if not done.cancelled():
                done.set_result(played)

        self._playback.add(audio, note)
        return await done

    def note_played(self, mark: str) -> None:
        """Handles that the peer has played all before a mark."""
        if self._playback is not None:
            self._playback.note_played(mark)

    def stop_playing(self) -> None:
        """Stops what is being played, and all that waits behind it."""
        if self._playback is not None:
            self._carry_out(self._playback.stop(self._now()))

    def close(self) -> None:
        """Handles that the peer is gone: nothing more is played to it."""
        if self._playback is not None:
            self._playback.drop()

    def _add_caption(self, caption: Hypothesis | Phrase) -> None:
        self._carry_out(self._door.add_caption(caption, now=self._now()), droppable=isinstance(caption, Hypothesis))
        self._call.note_phrases_told(self._caption_progress.first_missing)
