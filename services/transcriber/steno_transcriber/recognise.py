"""Runs an engine over the utterances of a recording in a thread pool, never more than a few packs ahead.

Imports no adapter.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future

from steno.events.recognition import RecognitionOptions
from steno_transcriber.engines.port import Pack, UtteranceEngine
from steno_transcriber.speech import Recognition, Utterance


def recognise(
    engine: UtteranceEngine, utterances: Iterable[Utterance], *, executor: Executor, in_flight: int, options: RecognitionOptions
) -> Iterator[tuple[Utterance, Recognition]]:
    """Decode utterances (channels may be interleaved) and yield each with what was understood, pack by pack.

    Utterances of one channel come out in order of time. The executor may be shared by many recordings; at most
    `in_flight` packs of this one are queued or decoding, so memory does not grow with the length of the recording.
    Blocks: call it in a thread that is not one of the executor's. Leaving early cancels what has not begun.

    Raises:
        Unsupported: the engine cannot serve the options.
    """
    waiting: deque[tuple[Pack, Future[list[Recognition]]]] = deque()
    try:
        for pack in engine.packs(utterances):
            waiting.append((pack, executor.submit(engine.decode, pack, options)))
            if len(waiting) >= in_flight:
                yield from _results(*waiting.popleft())
        while waiting:
            yield from _results(*waiting.popleft())
    finally:
        for _, future in waiting:
            future.cancel()


def _results(pack: Pack, future: Future[list[Recognition]]) -> Iterator[tuple[Utterance, Recognition]]:
    return zip(pack.utterances, future.result(), strict=True)
