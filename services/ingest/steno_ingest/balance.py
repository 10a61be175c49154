"""Whether the books balance: what was accepted is somewhere, once, and the two ways it is written down agree."""

from dataclasses import dataclass

from sqlalchemy import exists, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from steno_ingest.states import State, may_become
from steno_ingest.tables import entries, outbox, recordings
from steno_ingest.transactions import transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class Books:
    """The counts that must agree."""

    #: Recordings by the state their row says.
    recordings: dict[State, int]
    #: Steps by where from (None: accepted) and where to.
    steps: dict[tuple[State | None, State], int]
    #: Recordings accepted here that are neither on Kafka nor in the outbox.
    unpublished: int

    @property
    def accepted(self) -> int:
        """All that were ever accepted, by the steps."""
        return sum(count for (origin, _), count in self.steps.items() if origin is None)

    @property
    def balanced(self) -> bool:
        """Whether they agree: as many rows as were accepted; in each state as many rows as came to it and did not leave;
        no step that is not legal; nothing that will never be published."""
        legal = all(to is State.ACCEPTED if origin is None else may_become(origin, to) for origin, to in self.steps)
        return (
            legal
            and self.unpublished == 0
            and self.accepted == sum(self.recordings.values())
            and all(self.recordings.get(state, 0) == self._remaining(state) for state in State)
        )

    def _remaining(self, state: State) -> int:
        came = sum(count for (_, to), count in self.steps.items() if to is state)
        left = sum(count for (origin, _), count in self.steps.items() if origin is state)
        return came - left


async def books(engine: AsyncEngine) -> Books:
    """The counts of one moment."""
    in_outbox = exists().where(outbox.c.recording_id == recordings.c.recording_id)
    async with transaction(engine, snapshot=True) as connection:
        rows = await connection.execute(select(recordings.c.state, func.count()).group_by(recordings.c.state))
        steps = await connection.execute(
            select(entries.c.from_state, entries.c.to_state, func.count()).group_by(entries.c.from_state, entries.c.to_state)
        )
        unpublished = await connection.execute(
            select(func.count()).select_from(recordings).where(recordings.c.published_at.is_(None), ~in_outbox)
        )
        return Books(
            recordings={State(state): count for state, count in rows},
            steps={(None if origin is None else State(origin), State(to)): count for origin, to, count in steps},
            unpublished=unpublished.scalar_one(),
        )
