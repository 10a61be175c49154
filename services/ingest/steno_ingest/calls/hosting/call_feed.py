"""Passes to a door what happens to its call: acknowledgements, captions, and audio to play."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from steno.events.records import Hypothesis, Phrase
from steno_ingest.calls.doors.actions import Action, ResumePoint
from steno_ingest.calls.doors.port import Door
from steno_ingest.calls.hosting.caption_feed import CaptionFeed, Captions, EarlierPhrases
from steno_ingest.calls.hosting.caption_progress import CaptionProgress
from steno_ingest.calls.hosting.hosted_call import HostedCall
from steno_ingest.calls.hosting.playback import CannotPlay, Playback


class CarryOut(Protocol):
    """Carries out the actions of a door."""

    def __call__(self, actions: Sequence[Action], *, droppable: bool = False) -> None: ...


class CallFeed:
    """Passes acknowledgements, captions and playback to one door, from the acceptance of its call to its disconnection."""

    def __init__(
        self,
        door: Door,
        call: HostedCall,
        captions: Captions,
        earlier_phrases: EarlierPhrases,
        *,
        begins: bool,
        phrases: int,
        carry_out: CarryOut,
        room: Callable[[], Awaitable[None]],
        now: Callable[[], float],
    ) -> None:
        """
        Args:
            begins: Whether the call began with this connection.
            phrases: How many phrases of the call its peer already has.
            carry_out: Carries out the actions of the door.
            room: Waits until the peer has read most of its messages.
            now: Seconds of a monotonic clock.
        """
        self._door = door
        self._call = call
        self._captions = captions
        self._earlier_phrases = earlier_phrases
        self._begins = begins
        self._carry_out = carry_out
        self._room = room
        self._now = now
        self._caption_progress = CaptionProgress(phrases)
        self._acknowledged: ResumePoint | None = None
        self._settled = False
        self._playback = None if door.player is None else Playback(door.player, call.session.format)

    async def send_captions(self) -> None:
        """Sends captions until the process stops."""
        await CaptionFeed(
            self._call.call_id,
            self._captions,
            self._earlier_phrases,
            self._caption_progress,
            tenant=self._call.tenant,
            begins=self._begins,
            send=self._add_caption,
            reach=self._reach_captions,
            room=self._room,
            now=self._now,
        ).run()

    def tick(self, now: float) -> None:
        """Reports new acknowledgements and the end of captions to the door, and plays what is due."""
        call = self._call
        if (safe := call.safe) is not None and safe != self._acknowledged:
            self._acknowledged = safe
            self._carry_out(self._door.acknowledge(sequence=safe.sequence, position=safe.position))
        if call.settled and not self._settled:
            self._settled = True
            self._carry_out(self._door.settle(now=now))
        if (phrase_count := self._caption_progress.due(now)) is not None:
            self._carry_out(self._door.end_captions(phrase_count=phrase_count, now=now, failure=self._caption_progress.failure))
        if self._playback is not None:
            self._carry_out(self._playback.tick(now))

    async def play(self, audio: bytes) -> bool:
        """Plays audio; see `CallDriver.play`."""
        if self._playback is None:
            raise CannotPlay(f"the protocol {self._door.name} cannot play audio to its peers")
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def note(played: bool) -> None:
            if not done.cancelled():
                done.set_result(played)

        self._playback.add(audio, note)
        return await done

    def note_played(self, mark: str) -> None:
        """Records that the peer has played everything before a mark."""
        if self._playback is not None:
            self._playback.note_played(mark)

    def stop_playing(self) -> None:
        """Stops playback and drops waiting audio."""
        if self._playback is not None:
            self._carry_out(self._playback.stop(self._now()))

    def close(self) -> None:
        """Ends playback, since the peer has disconnected."""
        if self._playback is not None:
            self._playback.drop()

    def _reach_captions(self, until_ms: int) -> None:
        self._carry_out(self._door.reach_captions(until_ms=until_ms, now=self._now()))

    def _add_caption(self, caption: Hypothesis | Phrase) -> None:
        self._carry_out(self._door.add_caption(caption, now=self._now()), droppable=isinstance(caption, Hypothesis))
        self._call.note_phrases_sent(self._caption_progress.first_missing)
