"""Recognition options for tests."""

from steno.events.recognition import RecognitionOptions

KLINGON = RecognitionOptions(locale="tlh-US")
"""A language that no engine knows."""

ENGLISH = RecognitionOptions(locale="en-US")
