"""Transcribes one live call by a call engine: sends its audio to a session, and publishes what the engine answers.

| what happens | what follows |
|---|---|
| audio comes | it is sent, as fast as the engine takes it; what comes faster is buffered (`catching_up`) |
| the engine answers before an utterance is over | `Hypothesis`, unless the call is too late to be followed |
| the audio breaks off, or another language is spoken | the session is finished; the next audio begins another one |
| the session is lost | another one begins, and is sent what was not answered |
| the call is over and all answers are out | `TranscriptCompleted` |

All else is as with an utterance engine (`worker`).
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace

from steno.errors import Permanent, Retryable
from steno.events.recognition import RecognitionOptions
from steno.events.records import CallCheckpoint
from steno.telemetry import traces
from steno_transcriber.engines.port import Answer, CallAudio, CallEngine, CallSession, FinalAnswer, PartialAnswer
from steno_transcriber.live.audio_backlog import AudioBacklog
from steno_transcriber.live.call import LiveUtterance
from steno_transcriber.live.captions_reached import Mark
from steno_transcriber.live.partial_answers import PartialAnswers
from steno_transcriber.live.resources import LiveResources
from steno_transcriber.live.sent_call import SentCall
from steno_transcriber.live.worker import CallWorker
from steno_transcriber.result import Spoken


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """Audio that waits to be sent, and the backlogs that count it."""

    audio: CallAudio
    backlogs: tuple[AudioBacklog, ...]

    def leave_backlogs(self) -> None:
        for backlog in self.backlogs:
            backlog.leave(self.audio.samples)


@dataclass(frozen=True, slots=True)
class _Finish:
    """The session ends here; one that follows is asked for these options."""

    options: RecognitionOptions
    #: Where the audio broke off; None where it goes on.
    mark: Mark | None


_Item = CallAudio | _Finish | Permanent | None
"""None: the call is over."""


class SessionWorker(CallWorker):
    """Runs the task that sends one call to a call engine and publishes its answers."""

    def __init__(
        self,
        checkpoint: CallCheckpoint,
        resources: LiveResources,
        engine: CallEngine,
        *,
        trace: Mapping[str, bytes] | None = None,
    ) -> None:
        """See `CallWorker`."""
        self._sent = SentCall(checkpoint)
        super().__init__(checkpoint, resources, trace=trace, call=self._sent)
        self._engine = engine
        self._partial_answers = PartialAnswers(self._hypothesis_publisher, call_id=checkpoint.call_id)
        self._queue: asyncio.Queue[_Waiting | _Finish | Permanent | None] = asyncio.Queue()
        #: What is asked for the audio that was put into the queue last, and for the audio that is being sent.
        self._queued_options = self._options = self._sent.options
        #: What the session was given and has not answered, its end included.
        self._unanswered: deque[_Item] = deque()
        #: The same of a session that was lost, for the next one.
        self._again: deque[_Item] = deque()

    def give_up(self, error: Permanent) -> None:
        """Fails the call, after what was answered is published."""
        self._given_up = True
        self._queue.put_nowait(error)

    async def stop(self) -> None:
        """Stops the work on the call; another process resumes it from the last checkpoint."""
        await self._partial_answers.stop()
        await super().stop()

    def _line_up(self, found: list[LiveUtterance]) -> None:
        mark = self._marks.at_break()
        if mark is not None or self._sent.options != self._queued_options:
            self._queued_options = self._sent.options
            self._queue.put_nowait(_Finish(self._queued_options, mark))
        for audio in self._sent.audio_to_send():
            self._queue.put_nowait(_Waiting(audio, self._catching_up.enter(audio.samples)))
        if self._sent.ended:
            self._queue.put_nowait(None)

    async def _transcribe(self) -> None:
        await self._announce()
        attempts = 0
        while True:
            first = await self._next()
            if isinstance(first, Permanent):
                raise first
            if first is None:
                break
            if isinstance(first, _Finish):
                self._begin_anew(first)
                continue
            self._again.appendleft(first)
            try:
                ended = await self._session()
                if ended is None:
                    break
                attempts = 0
                if isinstance(ended, _Finish):
                    self._begin_anew(ended)
            except Retryable as error:
                attempts += 1
                seconds = self._resources.policy.after(attempts)
                self._log.warning("live.session_lost", reason=str(error), attempts=attempts, seconds=round(seconds, 1))
                left = [self._sent.unanswered(item) if isinstance(item, CallAudio) else item for item in self._unanswered]
                self._again = deque([*left, *self._again])
                self._unanswered.clear()
                await self._resources.sleep(seconds)
        await self._complete(self._engine.info)

    def _begin_anew(self, finish: _Finish) -> None:
        """All that was sent before is answered; what follows goes to another session."""
        self._options = finish.options
        if finish.mark is not None:
            self._sent.settle(finish.mark.until_ms)
            self._publish_mark(finish.mark)

    async def _session(self) -> _Item:
        """Sends to one session and publishes its answers; gives what ended it."""
        # Another language may be one in which something else that was asked for is not to be had.
        self._resources.engines.choose(self._options)
        session = self._engine.open(channels=len(self._sent.facts.channels), options=self._options)
        sending = asyncio.create_task(self._send(session))
        try:
            async for answer in session.answers():
                await self._answer(answer)
            ended = await sending
        finally:
            sending.cancel()
            # What it failed with ended the answers, too, or is raised already.
            await asyncio.gather(sending, return_exceptions=True)
            await session.close()
        for item in self._unanswered:
            if isinstance(item, CallAudio):
                self._sent.settle(item.end_ms)
        self._unanswered.clear()
        if isinstance(ended, Permanent):
            raise ended
        return ended

    async def _send(self, session: CallSession) -> _Item:
        try:
            while True:
                item = await self._next()
                self._unanswered.append(item)
                if not isinstance(item, CallAudio):
                    break
                await session.send(item)
            await session.finish()
        except Exception:
            # Without its sender a session has nothing more to say.
            await session.close()
            raise
        return item

    async def _next(self) -> _Item:
        if self._again:
            return self._again.popleft()
        item = await self._queue.get()
        if isinstance(item, _Waiting):
            item.leave_backlogs()
            return item.audio
        return item

    async def _answer(self, answer: Answer) -> None:
        if isinstance(answer, PartialAnswer):
            self._follow(answer)
            return
        states = None
        if isinstance(answer, FinalAnswer):
            self._partial_answers.end(answer.channel)
            states = await self._publish_final(answer)
        self._sent.answered(answer, step_states=states)
        if (mark := self._marks.in_silence(self._sent.settled_ms)) is not None:
            self._publish_mark(mark)
        while self._unanswered and isinstance(sent := self._unanswered[0], CallAudio) and sent.end_ms <= self._sent.settled_ms:
            self._unanswered.popleft()

    async def _publish_final(self, answer: FinalAnswer) -> Mapping[str, str] | None:
        """Gives what the steps remember behind it, where there is something to publish."""
        recognition = self._sent.readable(answer)
        if recognition is None:
            return None
        part = Spoken.of(answer, recognition)
        role, options = self._sent.facts.role_of(answer.channel), self._sent.options_of(answer.start_ms)
        with traces.continue_trace(self._trace, "live.phrase", channel=answer.channel):
            said_at = self._sent.said_at(answer.end_ms)
            return await self._publish_phrase(part, role=role, options=options, engine=self._engine.info, said_at=said_at)

    def _follow(self, answer: PartialAnswer) -> None:
        recognition = self._sent.readable(answer)
        if recognition is not None and not self._catching_up.late:
            options = self._sent.options_of(answer.start_ms)
            self._partial_answers.add(replace(answer, recognition=recognition), options)

    def _let_go(self) -> None:
        super()._let_go()
        self._partial_answers.end_all()
        while not self._queue.empty():
            if isinstance(item := self._queue.get_nowait(), _Waiting):
                item.leave_backlogs()
