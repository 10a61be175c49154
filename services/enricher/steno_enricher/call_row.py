"""A row of the enricher's table with what topic `calls` says of a live call and summaries need. Pure.

`merge` gives the same result in whatever order records arrive, and however often: corrections of roles are numbered, a call
that has ended stays ended, and of two sets of properties the one that was written later counts.
"""

import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from steno.events.records import CallState, CallStatus, Role
from steno_enricher.rows import Kind, RowHeader

_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRow:
    """What is known of a live call."""

    #: By channel; empty before the first record of the call.
    roles: dict[int, Role] = field(default_factory=dict)
    roles_revision: int = -1
    #: The audio has ended.
    over: bool = False
    properties: dict[str, str] = field(default_factory=dict)
    #: When the properties were written, microseconds since 1970.
    updated_us: int = -1
    tenant: str = ""

    def merge(self, state: CallState) -> "CallRow":
        """Returns the row with one more record taken into account."""
        row = replace(self, over=self.over or state.state is not CallStatus.ACTIVE)
        if state.roles_revision > row.roles_revision:
            roles = {channel.channel: channel.role for channel in state.channels}
            row = replace(row, roles=roles, roles_revision=state.roles_revision)
        if (updated_us := _microseconds(state.updated_at)) > row.updated_us:
            row = replace(row, properties=dict(state.properties), updated_us=updated_us, tenant=state.tenant)
        return row

    def to_list(self) -> list[Any]:
        """The values as they are stored in a row."""
        roles = [[channel, role.value] for channel, role in sorted(self.roles.items())]
        return [roles, self.roles_revision, self.over, self.properties, self.updated_us, self.tenant]

    @classmethod
    def from_list(cls, values: list[Any]) -> "CallRow":
        """Reads what `to_list` gave, in this version or in one without tenants."""
        roles, roles_revision, over, properties, updated_us, *tenant = values
        return cls(
            roles={channel: Role(role) for channel, role in roles},
            roles_revision=roles_revision,
            over=over,
            properties=properties,
            updated_us=updated_us,
            tenant=tenant[0] if tenant else "",
        )

    def to_bytes(self, *, at: datetime) -> bytes:
        """The row as it is stored."""
        return RowHeader(written_at=at, kind=Kind.CALL).to_row({"format": _FORMAT, "call": self.to_list()})

    @classmethod
    def from_bytes(cls, row: bytes) -> "CallRow":
        """Reads what `to_bytes` gave."""
        return cls.from_list(json.loads(row.partition(b"\n")[2])["call"])


def _microseconds(moment: datetime) -> int:
    return (moment - datetime.fromtimestamp(0, moment.tzinfo)) // timedelta(microseconds=1)
