"""The base class of records and of their parts. Pure."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A part of a record: frozen, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")
