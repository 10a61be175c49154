"""The view of a recording, and the rows it is read from."""

from dataclasses import fields

from steno_ingest.recordings.tables import recordings
from steno_ingest.recordings.view import RecordingView


def test_the_view_has_every_column() -> None:
    """A column that is added is a field that is added: nothing is left behind in a row but the mark of the totals."""
    assert {field.name for field in fields(RecordingView)} == set(recordings.columns.keys()) - {"counted"}
