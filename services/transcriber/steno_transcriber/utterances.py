"""Finds the utterances of a recording on each channel, without crosstalk, amplified where too quiet. Pure."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

import numpy as np
import numpy.typing as npt

from steno.events.observations import Observation
from steno_transcriber.crosstalk import CopyDetector
from steno_transcriber.segmenter import DECODED, SegmenterOptions
from steno_transcriber.speech import Utterance
from steno_transcriber.utterance_finder import FinderMark, UtteranceFinder


def utterances(
    blocks: Iterable[npt.NDArray[np.float32]],
    *,
    report: Callable[[Observation], None],
    options: SegmenterOptions | None = None,
) -> Iterator[Utterance]:
    """Cut blocks of shape (channels, samples) into utterances, and report what is left out or amplified.

    Utterances of one channel come in order of time; those of different channels are interleaved as they end.
    """
    blocks = iter(blocks)
    first = next(blocks, None)
    if first is None:
        return
    copies = CopyDetector(len(first), DECODED, report=report)
    finders = [
        UtteranceFinder(channel, DECODED, mark=FinderMark(restart_ms=0), beside=copies, report=report, options=options)
        for channel in range(len(first))
    ]
    for block in chain([first], blocks):
        copies.add_audio(block)
        for finder, samples in zip(finders, block, strict=True):
            yield from finder.add_audio(samples)
        copies.forget(min(finder.needed_ms for finder in finders))
    for finder in finders:
        yield from finder.finish()
