"""Converts the errors of ingest to problems, the error responses of the REST API."""

from collections.abc import Mapping

from steno.errors import StenoError
from steno.http.problems import RETRY_LATER, Problem, ProblemFault
from steno_ingest import errors

_STATUS: Mapping[type[errors.Refused], int] = {
    errors.InvalidMetadata: 422,
    errors.ForeignUrl: 403,
    errors.EmptyAudio: 422,
    errors.TooLarge: 413,
    errors.KeyReused: 409,
    errors.AlreadyEnded: 409,
    errors.CallIdInUse: 409,
    errors.CallAlreadyEnded: 409,
    errors.CallNotHere: 409,
    errors.NotThere: 404,
    errors.TranscriptNotReady: 409,
    errors.NoTranscript: 410,
}


def problem_of(error: StenoError) -> Problem | None:
    """Converts an error to a problem; returns None if the request is not at fault."""
    if not isinstance(error, errors.Refused) or type(error) not in _STATUS:
        return None
    return Problem(
        status=_STATUS[type(error)],
        kind=error.error_class,
        detail=str(error),
        headers=RETRY_LATER if isinstance(error, errors.TranscriptNotReady) else (),
        faults=[ProblemFault(where=fault.where, problem=fault.problem) for fault in error.faults],
        about=error.about,
    )
