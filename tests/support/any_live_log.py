"""The log of a live call in which anything happens that may happen to one."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import patch

import numpy as np
from steno_transcriber import segmenter, utterance_finder
from steno_transcriber.live import channel
from steno_transcriber.segmenter import SegmenterOptions
from steno_transcriber.speech import SAMPLES_PER_MS
from steno_transcriber.utterance_finder import UtteranceFinder
from support.crosstalk import leaky
from support.live_calls import BEGAN, CHANNELS, CallWriter, Entry, Heard
from support.live_listener import speech

from steno.events.recognition import RecognitionDetails
from steno.events.records import AudioCodec, CallChannel, CallUpdated, DtmfPressed, Role, RolesCorrected

SWAPPED = (CallChannel(channel=0, role=Role.CUSTOMER), CallChannel(channel=1, role=Role.AGENT))


@contextmanager
def restarts_each(seconds: float) -> Iterator[None]:
    """Restarts and cuts that are due so often that short audio has some."""

    def with_cuts(options: SegmenterOptions) -> SegmenterOptions:
        return replace(options, maximum_ms=2000)

    with (
        patch.object(segmenter, "RESTART_FRAMES", int(seconds * 1000) // segmenter.FRAME_MS),
        patch.object(
            channel,
            "UtteranceFinder",
            lambda *args, options, **named: UtteranceFinder(*args, options=with_cuts(options), **named),
        ),
        patch.object(utterance_finder, "CONVINCING_MS", 900),
        patch.object(utterance_finder, "PATIENCE_MS", 600),
    ):
        yield


def silence(milliseconds: int) -> Heard:
    return np.zeros((2, milliseconds * SAMPLES_PER_MS), dtype=np.float32)


def noise(milliseconds: int, *, loud: float = 0.01) -> Heard:
    generator = np.random.default_rng(milliseconds)
    return generator.normal(0, loud, (2, milliseconds * SAMPLES_PER_MS)).astype(np.float32)


Step = Callable[[random.Random, CallWriter], None]


def say(dice: random.Random, call: CallWriter) -> None:
    call.say(speech(dice.randrange(35_000), dice.randrange(100, 6000)), chunk=dice.choice([0, 0, 0, 160, 333, 1601]))


def say_leaking(dice: random.Random, call: CallWriter) -> None:
    heard = speech(dice.randrange(35_000), dice.randrange(100, 6000))
    call.say(leaky(heard, decibels=-dice.randrange(25), delay_ms=dice.randrange(min(500, heard.shape[1] // SAMPLES_PER_MS))))


def say_quietly(dice: random.Random, call: CallWriter) -> None:
    gain = np.float32(10 ** (-dice.randrange(20, 40) / 20))
    call.say(speech(dice.randrange(35_000), dice.randrange(500, 6000)) * gain)


STEPS: dict[Step, int] = {
    say: 6,
    say_quietly: 4,
    say_leaking: 4,
    lambda dice, call: call.say(silence(dice.randrange(1, 3000))): 2,
    lambda dice, call: call.say(noise(dice.randrange(1, 3000))): 1,
    lambda dice, call: call.say(noise(dice.randrange(1, 3000), loud=0.2)): 1,
    lambda dice, call: call.again(dice.randrange(1, 30)): 2,
    lambda dice, call: call.lose(dice.randrange(1, 5000)): 1,
    lambda dice, call: call.gap(dice.randrange(1, 5000)): 1,
    lambda _, call: call.gap(0): 2,
    lambda _, call: call.pause(): 2,
    lambda dice, call: call.pause(late=dice.randrange(1, 20_000)): 1,
    lambda dice, call: call.resume(dice.randrange(5000)): 3,
    lambda dice, call: call.write(
        RolesCorrected(call_id=call.call_id, channels=dice.choice([SWAPPED, CHANNELS]), corrected_at=BEGAN)
    ): 2,
    lambda dice, call: call.write(
        CallUpdated(call_id=call.call_id, locale=dice.choice(["en-GB", "en-IE"]), updated_at=BEGAN)
    ): 1,
    lambda _, call: call.write(DtmfPressed(call_id=call.call_id, position=0, digit="5", pressed_at=BEGAN)): 1,
}
"""What may happen to a call, and how often."""


def any_log(dice: random.Random) -> list[Entry]:
    """A call with all that may happen; hypothesis by itself would draw little but short ones in which nobody speaks."""
    call = CallWriter(
        codec=dice.choice([AudioCodec.PCMU, AudioCodec.PCMA, AudioCodec.S16LE]),
        sample_rate=dice.choice([8000, 8000, 16_000]),
        others=dice.randrange(3),
        recognition=RecognitionDetails(segmentation_silence_ms=dice.choice([0, 0, 100, 200, 800, 1500, 5000])),
    )
    call.start()
    steps = dict(STEPS)
    if dice.random() < 0.3:  # a call in which nobody speaks up
        steps |= {say: 0, say_leaking: 0, say_quietly: 12}
    for step in dice.choices(list(steps), list(steps.values()), k=dice.randrange(5, 15)):
        step(dice, call)
    if dice.random() < 0.7:
        call.end()
    return call.log
