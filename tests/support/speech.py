"""Speech for tests: the audio of the sample calls, and the default model."""

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from steno_transcriber.audio.decode import Block, open_audio
from steno_transcriber.models.errors import ModelMissing
from steno_transcriber.models.store import ModelStore
from steno_transcriber.segmenter import Segmenter, SegmenterOptions
from steno_transcriber.speech import Utterance
from support.recordings import sample_call


@cache
def call_audio(name: str = "lost-card") -> Block:
    """Returns a sample call at 16 kHz, shape (channels, samples)."""
    with open_audio(sample_call(name)) as audio:
        return np.concatenate(list(audio.blocks()), axis=1)


def tiny_en() -> Path:
    """Returns the folder of the default model. `make test` pulls it; without it the test is skipped."""
    try:
        return ModelStore().resolve("tiny.en")
    except ModelMissing as missing:
        pytest.skip(str(missing))


def segment(blocks: Iterable[Block], options: SegmenterOptions | None = None) -> Iterator[Utterance]:
    """Cut blocks of shape (channels, samples) into utterances, each channel by its own segmenter and with nothing around it.

    Utterances of one channel come in order of time; those of different channels are interleaved as they end.
    """
    segmenters: list[Segmenter] = []
    for block in blocks:
        if not segmenters:
            segmenters = [Segmenter(channel=channel, options=options) for channel in range(len(block))]
        for segmenter, samples in zip(segmenters, block, strict=True):
            yield from segmenter.accept(samples)
    for segmenter in segmenters:
        yield from segmenter.finish()
