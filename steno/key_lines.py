"""Parses the attributes of a line of a key file: `tenant=T` and `expires=TIME` (until when the key is valid). Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from steno.callers import EVERYTHING, HOUSE, is_name

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)")
_ATTRIBUTE = re.compile(r"(tenant|expires)=(.*)")


@dataclass(frozen=True, slots=True)
class Terms:
    """Whose a key is, and until when it opens."""

    #: As it stands in the line; None where nothing does.
    tenant: str | None = None
    expires: datetime | None = None

    def owner(self, otherwise: str = HOUSE) -> str:
        """The tenant that what comes with this key belongs to."""
        if self.tenant is None:
            return otherwise
        return HOUSE if self.everything else self.tenant

    @property
    def everything(self) -> bool:
        """Whether it sees what every tenant has."""
        return self.tenant == EVERYTHING


def split_terms(fields: Sequence[str]) -> tuple[list[str], Terms]:
    """A line's fields without its terms, which stand behind them, and the terms.

    Raises:
        ValueError: a term is not as it must be, or stands twice, or in front; the message does not hold what stands there.
    """
    given: dict[str, str] = {}
    rest: list[str] = []
    for field in fields:
        attribute = _ATTRIBUTE.fullmatch(field)
        if attribute is None:
            if given:
                raise ValueError("tenant=… and expires=… stand last")
            rest.append(field)
        elif attribute[1] in given:
            raise ValueError(f"{attribute[1]}=… stands twice")
        else:
            given[attribute[1]] = attribute[2]
    tenant, expires = given.get("tenant"), given.get("expires")
    if tenant is not None and tenant != EVERYTHING and not is_name(tenant):
        raise ValueError("tenant=… is neither a name nor *")
    return rest, Terms(tenant, None if expires is None else moment(expires))


def moment(text: str) -> datetime:
    """A time with its distance from UTC, e.g. `2027-01-31T00:00:00Z`.

    Raises:
        ValueError: it is none.
    """
    try:
        if not _TIME.fullmatch(text):
            raise ValueError
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("expires=… is not a time like 2027-01-31T00:00:00Z") from None
