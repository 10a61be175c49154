"""Parameters of routes for ids that may have slashes in them.

Call ids are their upstream system's, and some hold slashes: a SIP Call-ID may (RFC 3261 §25.1, `word`), and servers hand a
`%2F` on as a slash. So a call's id is as much of the path as a route leaves; one that ends as a longer route does is not
reached.
"""

from starlette.convertors import Convertor, register_url_convertor

_BEHIND_A_CALL = ("transcript", "captions", "pause", "resume", "roles", "end")
"""How the routes of a call end, at all services: a new one belongs here, or asking for it finds no call of such an id."""


class _Id(Convertor[str]):
    regex = ".+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


class _LastId(_Id):
    regex = rf"(?!.*/(?:{'|'.join(_BEHIND_A_CALL)})$).+"


register_url_convertor("id", _Id())
register_url_convertor("last_id", _LastId())

CALL_ID = "{call_id:id}"
"""In the path of a route: the id of a call, with more behind it."""

LAST_CALL_ID = "{call_id:last_id}"
"""The same at the end of a path: no longer route is meant."""
