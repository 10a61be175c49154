"""Which locale a phrase has."""

import pytest
from steno_transcriber.engines.refusals import spoken_locale

from steno.events.recognition import RecognitionOptions


@pytest.mark.parametrize(
    ("options", "locale"),
    [
        (RecognitionOptions(locale="de-AT"), "de-AT"),
        (RecognitionOptions(candidate_locales=("en-US", "de-DE", "de-AT")), "de-DE"),
        (RecognitionOptions(candidate_locales=("en-US", "fr-FR")), "de"),
        (RecognitionOptions(), "de"),
    ],
)
def test_the_locale_of_speech_in_german(options: RecognitionOptions, locale: str) -> None:
    """The one that was asked for, the first candidate of the language, or the language."""
    assert spoken_locale("de", options) == locale
