"""The steps that change a phrase before it is published, such as redaction or correction. Pure.

A phrase goes through all steps before it is published on its topic or in the result document. The phrases of a pass go through
one after the other, in order of `sequence`. What a step must remember is its state, a text that is stored in the checkpoint of
a live call, so that another process can take the call over.

Steps of all calls stand in `CONFIGURED`; behind them come those that a call asks for by its options, as of swear words.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from steno.events.recognition import Profanity, RecognitionOptions
from steno.events.records import Phrase
from steno_transcriber.profanity_step import MaskingStep, RemovingStep


class Step(Protocol):
    """A step. It keeps no state of its own: one instance serves all calls of a process."""

    @property
    def name(self) -> str:
        """The name under which its state is stored. It never changes."""

    def apply(self, phrase: Phrase, state: str) -> tuple[Phrase, str]:
        """Returns the phrase to be published, and the new state; before the first phrase of a pass the state is empty.

        It must be a function of its arguments alone: after a crash it is called again. It may change `text` and `words` only.
        A hypothesis comes as a phrase without words; the new state is then dropped.
        """


class Steps:
    """All steps, in order."""

    def __init__(self, steps: Sequence[Step] = ()) -> None:
        self._steps = tuple(steps)

    def __len__(self) -> int:
        return len(self._steps)

    def asked_for(self, options: RecognitionOptions) -> "Steps":
        """The steps of a recording or a call with these options."""
        step = _BY_PROFANITY.get(options.profanity)
        return self if step is None else Steps([*self._steps, step])

    def apply(self, phrase: Phrase, states: Mapping[str, str]) -> tuple[Phrase, dict[str, str]]:
        """Returns the phrase to be published, and the new states of all steps."""
        after = dict(states)
        for step in self._steps:
            changed, after[step.name] = step.apply(phrase, states.get(step.name, ""))
            phrase = phrase.model_copy(update={"text": changed.text, "words": changed.words})
        return phrase, after

    def apply_to_all(self, phrases: Iterable[Phrase]) -> Iterator[Phrase]:
        """Gives all phrases of a pass as they are to be published."""
        states: dict[str, str] = {}
        for phrase in phrases:
            changed, states = self.apply(phrase, states)
            yield changed


_BY_PROFANITY: Mapping[Profanity, Step] = {Profanity.MASKED: MaskingStep(), Profanity.REMOVED: RemovingStep()}

CONFIGURED: tuple[Step, ...] = ()
"""The steps that phrases of all calls go through in this version."""
