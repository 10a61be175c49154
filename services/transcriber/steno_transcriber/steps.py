"""The steps between a final and its publication, redaction or correction, say: each a function. None is configured yet. Pure.

Whatever is published of a phrase, on its topic and in the result document, has gone through all steps. The phrases of a pass go
through one after the other, in the order of their `sequence`. What a step remembers of them is its state, a text that stands in
the checkpoint of a live call: whoever takes the call over goes on with it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from steno.events.records import Phrase


class Step(Protocol):
    """One step. It has no state of its own: a process has one copy of it for all calls."""

    @property
    def name(self) -> str:
        """The name under which its state is kept. It never changes."""

    def apply(self, phrase: Phrase, state: str) -> tuple[Phrase, str]:
        """The phrase as it is to be published, and the state afterwards; before the first phrase of a pass the state is empty.

        A function of its arguments alone: after a crash it is called again. Of the phrase it may change `text` and `words`.
        A hypothesis comes as a phrase without words; the state that follows of it is dropped.
        """


class Steps:
    """All steps, in their order."""

    def __init__(self, steps: Sequence[Step] = ()) -> None:
        self._steps = tuple(steps)

    def __len__(self) -> int:
        return len(self._steps)

    def apply(self, phrase: Phrase, states: Mapping[str, str]) -> tuple[Phrase, dict[str, str]]:
        """The phrase as it is to be published, and the states of all steps afterwards."""
        after = dict(states)
        for step in self._steps:
            changed, after[step.name] = step.apply(phrase, states.get(step.name, ""))
            phrase = phrase.model_copy(update={"text": changed.text, "words": changed.words})
        return phrase, after

    def apply_to_all(self, phrases: Iterable[Phrase]) -> Iterator[Phrase]:
        """All phrases of a pass as they are to be published."""
        states: dict[str, str] = {}
        for phrase in phrases:
            changed, states = self.apply(phrase, states)
            yield changed


CONFIGURED: tuple[Step, ...] = ()
"""The steps of this version."""
