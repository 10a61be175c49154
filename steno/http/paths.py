"""Path parameters for ids that may contain slashes.

Call ids come from other systems, and some contain slashes: a SIP Call-ID may (RFC 3261 §25.1, `word`), and servers decode `%2F`
to a slash. So a call id is all of the path that the rest of the route does not match. A call whose id ends like a longer route,
e.g. with `/transcript`, cannot be reached.
"""

from starlette.convertors import Convertor, register_url_convertor

_AFTER_CALL_ID = ("transcript", "captions", "pause", "resume", "roles", "end")
"""The ends of the routes of a call, in all services. A new route must be added here, or it is read as a part of the id."""


class _Id(Convertor[str]):
    regex = ".+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


class _LastId(_Id):
    regex = rf"(?!.*/(?:{'|'.join(_AFTER_CALL_ID)})$).+"


register_url_convertor("id", _Id())
register_url_convertor("last_id", _LastId())

CALL_ID = "{call_id:id}"
"""The id of a call in the path of a route, followed by more."""

LAST_CALL_ID = "{call_id:last_id}"
"""The id of a call at the end of the path of a route."""
