"""What the tests of the transcriber share."""

from collections.abc import Iterator

import pytest
from steno_transcriber.audio.decoders import Decoders


@pytest.fixture(scope="session")
def decoders() -> Iterator[Decoders]:
    """Processes that decode recordings; the one they come from begins with the first recording."""
    made = Decoders()
    yield made
    made.close()
