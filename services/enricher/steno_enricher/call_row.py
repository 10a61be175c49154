"""What is known of a live call from topic `calls`, as far as the summaries of its passes need it. Pure.

`merged` gives the same in whatever order records come, and however often: corrections of roles are numbered, a call that is
over stays so, and of two sets of properties the one that was written later counts.
"""

import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from steno.events.records import CallState, CallStatus, Role
from steno_enricher.rows import Kind, Line

_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRow:
    """A call: a row of the enricher's table."""

    #: By channel; before a call is known of, none is.
    roles: dict[int, Role] = field(default_factory=dict)
    roles_revision: int = -1
    #: The audio has ended.
    over: bool = False
    properties: dict[str, str] = field(default_factory=dict)
    #: When the properties were written, microseconds since 1970.
    updated_us: int = -1
    tenant: str = ""

    def merged(self, state: CallState) -> "CallRow":
        """What is known with one record more."""
        row = replace(self, over=self.over or state.state is not CallStatus.ACTIVE)
        if state.roles_revision > row.roles_revision:
            roles = {channel.channel: channel.role for channel in state.channels}
            row = replace(row, roles=roles, roles_revision=state.roles_revision)
        if (updated_us := _microseconds(state.updated_at)) > row.updated_us:
            row = replace(row, properties=dict(state.properties), updated_us=updated_us, tenant=state.tenant)
        return row

    def to_list(self) -> list[Any]:
        """As it stands in a row."""
        roles = [[channel, role.value] for channel, role in sorted(self.roles.items())]
        return [roles, self.roles_revision, self.over, self.properties, self.updated_us, self.tenant]

    @classmethod
    def from_list(cls, values: list[Any]) -> "CallRow":
        """What `to_list` gave, also before calls had tenants."""
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
        """The row as it is kept."""
        return Line(written_at=at, kind=Kind.CALL).before({"format": _FORMAT, "call": self.to_list()})

    @classmethod
    def from_bytes(cls, row: bytes) -> "CallRow":
        """What `to_bytes` kept."""
        return cls.from_list(json.loads(row.partition(b"\n")[2])["call"])


def _microseconds(moment: datetime) -> int:
    return (moment - datetime.fromtimestamp(0, moment.tzinfo)) // timedelta(microseconds=1)
