"""There is advice for every dead letter."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest
import steno_enricher
import steno_ingest
import steno_notifier
import steno_transcriber

import steno
from steno.cli.dead_letter_advice import ADVICE, advice_for
from steno.errors import Retryable, StenoError

_NOT_OF_SERVICES = "steno.broker."
"""The local broker is run by the command line."""


def _kinds(kind: type[StenoError]) -> Iterator[type[StenoError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _kinds(below)


def test_every_error_class_that_can_be_on_a_dead_letter_has_advice() -> None:
    """Those of all errors of the code but the ones that are tried again without end; and none that the code does not have."""
    for package in (steno, steno_ingest, steno_transcriber, steno_enricher, steno_notifier):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__") and ".migrations." not in module.name:
                importlib.import_module(module.name)
    ours = [kind for kind in _kinds(StenoError) if kind.__module__.split(".")[0].startswith("steno")]
    sent = {
        kind.error_class
        for kind in ours
        if not issubclass(kind, Retryable) and not kind.__module__.startswith((_NOT_OF_SERVICES, "steno.cli"))
    }
    assert sent | {"unexpected", "retryable"} == set(ADVICE)


@pytest.mark.parametrize("error_class", [*ADVICE, "", "of_a_later_version"])
def test_advice_says_what_happened_and_what_to_do(error_class: str) -> None:
    """An error class of another version, and a foreign record, have advice too; a command in it names the class."""
    advice = advice_for(error_class)
    assert advice.what.endswith(".")
    assert len(advice.do) > 30
    assert "{}" not in advice.do
    assert "--class" not in advice.do or f"--class {error_class}`" in advice.do
